import type { Config } from 'jest';

// types are checked once, by tsc; swc is what Temporal's bundler uses, too.
const shared = {
  testEnvironment: 'node',
  transform: { '^.+\\.(t|j|mj)s$': '@swc/jest' },
  // postgrator is published as an ES module only.
  transformIgnorePatterns: ['node_modules/(?!postgrator)'],
} satisfies Config;

const project = (name: string, more: Config = {}) => ({
  ...shared,
  displayName: name,
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  ...more,
});

const config: Config = {
  projects: [
    project('unit'),
    project('replay', { setupFiles: ['<rootDir>/tests/support/quiet-temporal.ts'] }),
    project('workflows', { setupFiles: ['<rootDir>/tests/support/quiet-temporal.ts'] }),
    project('integration', { setupFiles: ['<rootDir>/tests/support/quiet-temporal.ts'] }),
    project('e2e', { setupFiles: ['<rootDir>/tests/support/quiet-temporal.ts'] }),
  ],
  maxWorkers: 2,
  testTimeout: 30_000,
};

export default config;
