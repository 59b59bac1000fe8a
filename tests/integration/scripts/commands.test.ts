/** Every command of package.json, asked for its help as anybody would, and how their reports are made. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import packageJson from '../../../package.json';
import { checkout, environmentWith } from '../../../testing/stack/config';

const run = promisify(execFile);
const launcher = 'exec node scripts/bootstrap.mjs ';

/** By the file that runs them: what stands behind `npm run <name> --`. */
const commands = Object.entries(packageJson.scripts)
  .filter(([, line]) => line.startsWith(`${launcher}scripts/`))
  .map(([name, line]) => ({ name, file: line.slice(launcher.length) }));
/** Those that report in a part of themselves. */
const parts: Readonly<Record<string, readonly string[]>> = {
  'api-key': ['list'],
  audit: ['verify'],
  bench: ['load', 'compare', 'hot-account', 'invariants', 'statements', 'relay', 'costs'],
  installation: ['claim', 'renew'],
  regions: ['status', 'rejoin'],
  stack: ['status'],
};

const sourceOf = (file: string): string => readFileSync(join(checkout, file), 'utf8');
/** A command of the package is composed here, and reports there. */
const reports = (file: string): boolean => {
  const ofPackage = file.replace(/^scripts/, 'package/commands');
  const files = existsSync(join(checkout, ofPackage)) ? [file, ofPackage] : [file];
  return files.some((one) => /\b(conclude|printJson)\(/.test(sourceOf(one)));
};

const helpOf = async (file: string, ...words: readonly string[]): Promise<string> => {
  const parameters = ['--import', 'tsx', file, ...words, '--help'];
  const { stdout } = await run(process.execPath, parameters, { cwd: checkout });
  return stdout;
};

describe('every command', () => {
  it.each(commands)(
    'explains itself, and its --json where it reports: $name',
    async ({ name, file }) => {
      const asked = [[], ...(parts[name] ?? []).map((part) => [part])];
      const helps = await Promise.all(asked.map((words) => helpOf(file, ...words)));
      for (const help of helps) expect(help).toMatch(/^Usage: /);
      const own = parts[name] ? helps.slice(1) : helps;
      if (!reports(file)) return;
      for (const help of own) expect(help).toMatch(/--json \[file\]/);
    },
    60_000,
  );
});

describe('a report', () => {
  it('is made by package/report.ts alone: its tables, its colours and its JSON', () => {
    const strange = ['package', 'scripts', 'testing']
      .flatMap((folder) =>
        readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' }).map(
          (file) => `${folder}/${file}`,
        ),
      )
      .filter((file) => file.endsWith('.ts'))
      .filter((file) => file !== 'package/report.ts')
      .filter((file) => /'(picocolors|cli-table3)'|console\.log\(JSON\./.test(sourceOf(file)));
    expect(strange).toEqual([]);
  });

  const reportWith = async (...words: readonly string[]) =>
    run(process.execPath, ['--import', 'tsx', 'scripts/faults.ts', ...words], {
      cwd: checkout,
      env: environmentWith({ FORCE_COLOR: '3', CI: 'true' }),
    });

  it('fits 80 columns and has no colours where it is no terminal', async () => {
    const { stdout } = await reportWith();
    expect(stdout).toContain('accounts.captureFunds');
    expect(stdout).not.toContain('\u001b');
    const [table = ''] = stdout.split('\nKinds: ');
    expect(table.split('\n').filter((line) => line.length > 80)).toEqual([]);
  }, 30_000);

  it('leaves standard output to its JSON', async () => {
    const { stdout, stderr } = await reportWith('--json');
    expect(JSON.parse(stdout)).toHaveProperty('places');
    expect(stderr).toContain('Kinds: ');
  }, 30_000);

  it('of the servers ends with its verdict, too, and with --json says it beside it', async () => {
    const status = ['--import', 'tsx', 'testing/stack/cli.ts', 'status', '--profile', 'test'];
    const { stdout } = await run(process.execPath, status, { cwd: checkout });
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('Every server of test works.');
    const json = await run(process.execPath, [...status, '--json'], { cwd: checkout });
    expect(JSON.parse(json.stdout)).toMatchObject({ profile: 'test' });
    expect(json.stderr.trimEnd().split('\n').at(-1)).toBe('Every server of test works.');
  }, 30_000);
});
