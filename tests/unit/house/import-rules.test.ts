import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const root = join(__dirname, '..', '..', '..');

/** One violation of each rule of `.dependency-cruiser.cjs`: the file that breaks it, and what it imports. */
const violations: Readonly<Record<string, readonly [file: string, imported: string]>> = {
  'contracts-are-the-ground': ['contracts/planted.ts', 'node:fs'],
  'workflows-are-deterministic': ['workflows/planted.ts', '../activities/here'],
  'activities-know-no-one-above': ['activities/planted.ts', '../workers/here'],
  'activities-know-no-siblings-inside': ['activities/one/planted.ts', '../two/here'],
  'one-door-per-driver': ['workers/relay/kafka-planted.ts', 'kafkajs'],
  'one-door-to-mysql': ['tests/planted.ts', 'mysql2/promise'],
  'api-stays-outside': ['api/planted.ts', '../activities/here'],
  'api-takes-types-of-workflows-only': ['api/planted-too.ts', '../workflows/here'],
  'invariants-know-contracts-only': ['invariants/planted.ts', '../activities/here'],
  'engine-knows-no-business': ['invariants/planted-too.ts', '../api/shop/here'],
  'workers-know-no-api': ['workers/planted.ts', '../api/here'],
  'runtime-knows-no-room-above': ['runtime/planted.ts', '../api/here'],
  'the-package-is-outermost': ['workers/planted-too.ts', '../package/here'],
  'the-package-knows-no-commands-of-the-checkout': ['package/planted.ts', '../scripts/here'],
  'workflow-code-of-a-project-is-deterministic': ['package/workflow.ts', '../activities/here'],
  'nobody-imports-planted-bugs': ['scripts/planted.ts', '../testing/chaos/breaks/here'],
  'no-tests-in-shipped-code': ['scripts/planted-too.ts', '../tests/here'],
  'no-circles': ['contracts/round-back.ts', './round'],
  resolvable: ['scripts/lost.ts', './nowhere'],
};
const rooms = [
  'contracts',
  'invariants',
  'runtime',
  'workflows',
  'activities',
  'activities/two',
  'workers',
  'api',
  'package',
  'scripts',
  'api/shop',
  'tests',
  'testing/chaos/breaks',
];

interface Report {
  readonly summary: {
    readonly violations: readonly {
      readonly from: string;
      readonly rule: { readonly name: string };
    }[];
  };
}

describe('the import rules', () => {
  let house = '';
  let found: ReadonlySet<string>;

  beforeAll(() => {
    house = mkdtempSync(join(tmpdir(), 'accord-house-'));
    for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
      cpSync(join(root, file), join(house, file));
    }
    symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'));
    for (const room of rooms) write(`${room}/here.ts`, 'export const here = 1;\n');
    for (const [file, imported] of Object.values(violations)) {
      write(file, `import * as imported from '${imported}';\nexport const planted = imported;\n`);
    }
    write('contracts/round.ts', "export { planted } from './round-back';\n");
    found = violationsFound();
  }, 60_000);

  afterAll(() => rmSync(house, { recursive: true }));

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), text);
  }

  function violationsFound(): ReadonlySet<string> {
    const parameters = [
      '--config',
      '.dependency-cruiser.cjs',
      '--preserve-symlinks',
      '--output-type',
      'json',
      '.',
    ];
    const program = join(root, 'node_modules', '.bin', 'depcruise');
    const output = execFileSync(program, parameters, {
      cwd: house,
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const { summary } = JSON.parse(output) as Report; // The tool's own format.
    return new Set(summary.violations.map(({ rule, from }) => `${rule.name} ${from}`));
  }

  it.each(Object.entries(violations))('%s turns red on a planted violation', (rule, [file]) => {
    expect(found).toContain(`${rule} ${file}`);
  });

  it('are all planted against: a new rule comes with its violation', () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- The tool's configuration is CommonJS.
    const { forbidden } = require('../../../.dependency-cruiser.cjs') as {
      forbidden: { name: string }[];
    };
    expect(forbidden.map(({ name }) => name).sort()).toEqual(Object.keys(violations).sort());
  });
});
