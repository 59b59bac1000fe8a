// Types are checked once, by tsc; swc is what Temporal's bundler uses, too.
const shared = {
  testEnvironment: 'node',
  transform: { '^.+\\.(t|j|mj)s$': '@swc/jest' },
  // Published as ES modules only.
  transformIgnorePatterns: ['node_modules/(?!postgrator|content-disposition|cookie|jose)'],
};

const install = '<rootDir>/tests/support/install-shop.ts';
const project = (name, more = {}) => ({
  ...shared,
  displayName: name,
  setupFiles: [install],
  testMatch: [`<rootDir>/tests/${name}/**/*.test.ts`],
  ...more,
});

const quiet = { setupFiles: [install, '<rootDir>/tests/support/quiet-temporal.ts'] };

export default {
  projects: [
    project('unit'),
    project('replay', { setupFiles: [install, '<rootDir>/tests/support/silent-temporal.ts'] }),
    project('workflows', quiet),
    project('integration', quiet),
    project('e2e', quiet),
  ],
  maxWorkers: 2,
  testTimeout: 60_000,
};
