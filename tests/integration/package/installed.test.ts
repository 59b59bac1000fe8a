/** The package as a stranger has it: packed, installed in an empty folder outside of the checkout, run by its commands. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import packageJson from '../../../package.json';
import { unprovision } from '../../../runtime/databases/provision';
import { shopDatabases, type DatabaseUrls } from '../../../runtime/databases/shop';
import { freePort } from '../../../runtime/ports';
import { createApplication } from '../../../testing/environment/application';
import {
  openNamespace,
  type OwnNamespace,
} from '../../../testing/environment/isolated-environment';
import { checkout, environmentWith } from '../../../testing/stack/config';
import type { Stack } from '../../../testing/stack/stack';
import { eventually } from '../../support/eventually';
import { testStack } from '../../support/stack';

const run = promisify(execFile);
/** Long: npm, the compiler and a registry may be slow. What is waited for ends it. */
const withinMs = 300_000;

const id = randomBytes(4).toString('hex');
const prefix = `t${id}_`;
/** Below the checkout, so that the build finds its tools; apart, so that nobody's dist/ goes while it runs. */
const source = join(checkout, '.accord', `package-${id}`);
const folder = mkdtempSync(join(tmpdir(), 'accord-package-'));

/** What a build reads. */
const sources = [
  ...['activities', 'api', 'contracts', 'docs', 'invariants', 'package', 'runtime', 'scripts'],
  ...['testing', 'workers', 'workflows'],
  ...['CHANGELOG.md', 'README.md', 'package.json'],
  ...['tsconfig.json', 'tsconfig.build.json', 'tsconfig.package.json'],
];

/** npm as a user runs it: nothing of the npm that has started this test. */
const plain = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(environmentWith({})).filter(
      ([name]) => !/^(npm_|NODE_ENV|INIT_CWD)/i.test(name),
    ),
  );

const npm = (cwd: string, ...words: readonly string[]) =>
  run('npm', [...words, '--no-audit', '--no-fund'], { cwd, env: plain(), maxBuffer: 1e8 });

const accord = (env: NodeJS.ProcessEnv, ...words: readonly string[]) =>
  run('npx', ['--no-install', 'accord', ...words], { cwd: folder, env: { ...plain(), ...env } });

async function pack(): Promise<string> {
  mkdirSync(source, { recursive: true });
  for (const name of sources) cpSync(join(checkout, name), join(source, name), { recursive: true });
  const { stdout } = await npm(source, 'pack', '--silent', '--pack-destination', folder);
  return join(folder, stdout.trim().split('\n').at(-1) ?? '');
}

beforeAll(async () => {
  const archive = await pack();
  await npm(folder, 'init', '-y');
  await npm(folder, 'install', archive, '--omit=dev', '--prefer-offline');
}, withinMs * 2);

afterAll(() => {
  rmSync(source, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

describe('an installation without development packages', () => {
  it('has what commands and processes need, and no tool of the checkout', () => {
    const tools = ['tsx', 'jest', 'typescript', 'eslint', 'knip', 'fast-check', 'prettier'];
    expect(Object.keys(packageJson.devDependencies)).toEqual(expect.arrayContaining(tools));
    expect(tools.filter((name) => existsSync(join(folder, 'node_modules', name)))).toEqual([]);
  });

  it.each(Object.keys(packageJson.exports).filter((name) => name !== './package.json'))(
    'loads its entry from CommonJS and from an ES module: %s',
    async (name) => {
      const entry = name.replace('.', 'accord');
      const names = async (...words: readonly string[]): Promise<string[]> => {
        const { stdout } = await run(process.execPath, [...words], { cwd: folder, env: plain() });
        return JSON.parse(stdout) as string[];
      };
      const required = await names('-p', `JSON.stringify(Object.keys(require('${entry}')))`);
      const imported = await names(
        ...['--input-type=module', '-e'],
        `import * as all from '${entry}'; console.log(JSON.stringify(Object.keys(all)))`,
      );
      expect(required.length).toBeGreaterThan(0);
      expect(imported).toEqual(expect.arrayContaining(required));
    },
    withinMs,
  );

  it.each(['node16', 'nodenext'])(
    'has types for every entry, with moduleResolution %s',
    async (resolution) => {
      writeFileSync(join(folder, 'types.mts'), typed);
      const compiler = join(checkout, 'node_modules', 'typescript', 'bin', 'tsc');
      const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022'];
      const how = ['--module', resolution, '--moduleResolution', resolution];
      const { stdout } = await run(process.execPath, [compiler, ...options, ...how, 'types.mts'], {
        cwd: folder,
        env: plain(),
      });
      expect(stdout).toBe('');
    },
    withinMs,
  );

  it(
    "has workflow code that Temporal's bundler takes: no module of Node, no zod",
    async () => {
      writeFileSync(join(folder, 'workflows.js'), workflows);
      const script = `require('@temporalio/worker').bundleWorkflowCode({ workflowsPath: require.resolve('./workflows.js') })
        .then(({ code }) => process.stdout.write(String(/node_modules\\/zod\\//.test(code))))`;
      const { stdout } = await run(process.execPath, ['-e', script], { cwd: folder, env: plain() });
      expect(stdout).toBe('false');
    },
    withinMs,
  );

  it.each([
    [['migrate'], 'MYSQL_URL is not set'],
    [['api-key', 'list', '--tenant', 'acme'], 'API_DATABASE_URL is not set'],
    [['verify'], 'VERIFY_DATABASE_URLS is not set'],
    [['replay'], 'TEMPORAL_ADDRESS is not set'],
    [['worker', '--config', 'none.js'], 'There is no '],
  ])(
    'says in one sentence what is missing: accord %j',
    async (words, sentence) => {
      const nothing = { MYSQL_URL: '', API_DATABASE_URL: '', VERIFY_DATABASE_URLS: '' };
      const env = { ...nothing, TEMPORAL_ADDRESS: '' };
      const { code, stderr } = await accord(env, ...words).then(
        () => ({ code: 0, stderr: 'It succeeded.' }),
        (error: unknown) => error as { readonly code: number; readonly stderr: string },
      );
      expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(sentence)]);
      expect(code).toBe(2);
    },
    withinMs,
  );
});

const key = ['--tenant', '--cluster'];
/** Every command, and the options that its help names. */
const commands: Readonly<Record<string, readonly string[]>> = {
  migrate: ['--prefix', '--rotate', '--env'],
  'api-key create': [...key, '--owner', '--scopes', '--by', '--days'],
  'api-key list': [...key, '--json'],
  'api-key revoke': [...key, '--by'],
  'operator-token': ['--sub', '--scopes', '--tenants', '--clusters', '--minutes', '--env'],
  ...{ build: [], worker: [], api: [], relay: [], consumer: [], failover: [] },
  verify: ['--quick', '--json'],
  replay: ['--from', '--address', '--namespace', '--limit', '--json'],
  'record-history': ['--to', '--name'],
  'crash-points': ['--flow', '--json'],
  faults: ['--json'],
  events: ['--json', '--recorded'],
};

describe('the command line of the installed package', () => {
  /** As `npx accord` runs it, without npx. @returns how it ended, and what it said. */
  const ending = (...words: readonly string[]) =>
    run(join(folder, 'node_modules', '.bin', 'accord'), [...words], {
      cwd: folder,
      env: plain(),
    }).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      (error: unknown) => error as { code: number; stdout: string; stderr: string },
    );
  const named = (help: string, pattern: RegExp): readonly string[] =>
    [...help.matchAll(pattern)].map(([, name = '']) => name).sort();

  it(
    'has the commands of the documentation',
    async () => {
      const { stdout } = await ending('--help');
      const known = new Set(Object.keys(commands).map((words) => words.split(' ')[0] ?? ''));
      const [, list = ''] = stdout.split('Commands:\n');
      expect(named(list, /^ {2}(\S+)/gm)).toEqual([...known, 'help'].sort());
    },
    withinMs,
  );

  it.each(Object.entries(commands))(
    'explains itself, and refuses an unknown option without a verdict: accord %s',
    async (words, options) => {
      const command = words.split(' ');
      const help = await ending(...command, '--help');
      expect(help.code).toBe(0);
      expect(named(help.stdout, /^ {2}(?:-\w, )?(--[\w-]+)/gm)).toEqual(
        [...options, '--help'].sort(),
      );
      const { code, stderr } = await ending(...command, '--no-such-option');
      expect({ code, said: stderr.split('\n')[0] }).toEqual({
        code: 2,
        // Commander tells first of what is required.
        said: expect.stringMatching(/^error: (unknown option '--no-such-option'|required option )/),
      });
    },
    withinMs,
  );

  it.each([
    [['migrate', '--prefix'], "error: option '--prefix <prefix>' argument missing"],
    [['api-key', 'revoke', 'K'], "error: required option '-b, --by <person>' not specified"],
    [['replay', '--limit', 'many'], "error: option '--limit <count>' argument 'many' is invalid."],
    [['record-history'], "error: missing required argument 'gid'"],
    [['crash-points', '--flow'], "error: option '--flow <names>' argument missing"],
    [['events', '--recorded', 'none.json'], 'none.json cannot be read as a catalogue'],
    [['events', '--recorded', 'package.json'], 'package.json is no catalogue'],
    [['verify', 'now'], "error: too many arguments for 'verify'."],
    [['verfy'], "error: unknown command 'verfy'"],
  ])(
    'says in a sentence what keeps it from a verdict, and ends with 2: accord %j',
    async (words, sentence) => {
      const { code, stderr } = await ending(...words);
      expect({ code, said: stderr.split('\n')[0] }).toEqual({
        code: 2,
        said: expect.stringContaining(sentence),
      });
    },
    withinMs,
  );
});

describe('the installed package on real servers', () => {
  let stack: Stack;
  let namespace: OwnNamespace;
  let variables: NodeJS.ProcessEnv;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    stack = await testStack();
    namespace = await openNamespace(stack.temporal.address, `package-${id}`);
    const admin = { MYSQL_URL: stack.mysql.adminUrl };
    const { stdout } = await accord(admin, 'migrate', '--prefix', prefix, '--env');
    const urls = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    ) as DatabaseUrls; // As the command prints all of them.
    variables = createApplication({
      ...{
        stack,
        namespace: namespace.name,
        urls,
        topicPrefix: `t-${id}.`,
        label: `package-${id}-`,
      },
      ...{ apiPort: await freePort(), apiSecret: randomBytes(24).toString('base64url') },
    }).environment;
  }, withinMs);

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await namespace.drop();
    await unprovision(stack.mysql.adminUrl, prefix, shopDatabases);
  }, withinMs);

  it(
    'makes its first key',
    async () => {
      const made = ['--tenant', 'acme', '--owner', 'alice', '--by', 'alice', '--scopes', 'tx:read'];
      const { stdout } = await accord(variables, 'api-key', 'create', ...made);
      expect(stdout).toMatch(/^acc_\S+\n$/);
    },
    withinMs,
  );

  it(
    'starts every process, which says that it is ready, and ends in order',
    async () => {
      const names = ['worker', 'api', 'relay', 'consumer'];
      const started = names.map((name) => start(name));
      for (const { ready, said } of started)
        await eventually(() => existsSync(ready) || isOver(said), { withinMs, what: said() });
      const ports = started.map(({ ready }) => readinessIn(ready).port);
      for (const port of ports) {
        const answer = await fetch(`http://127.0.0.1:${port}/livez`);
        expect(answer.status).toBe(200);
      }
      const codes = await Promise.all(
        started.map(async ({ child }) => {
          child.kill('SIGTERM');
          const [code] = (await once(child, 'exit')) as [number | null];
          return code;
        }),
      );
      expect(codes).toEqual(names.map(() => 0));
    },
    withinMs,
  );

  it(
    'finds nothing wrong with its empty databases',
    async () => {
      const { stdout } = await accord(variables, 'verify', '--quick');
      expect(stdout).toMatch(/checks asked, nothing found\.\n$/);
    },
    withinMs,
  );

  /** As `npx accord <name>` runs it, without npx between us and its signals. */
  function start(name: string) {
    const ready = join(folder, `${name}.ready`);
    const child = spawn(join(folder, 'node_modules', '.bin', 'accord'), [name], {
      cwd: folder,
      env: { ...plain(), ...variables, READY_FILE: ready },
    });
    children.push(child);
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
    return { child, ready, said: () => (child.exitCode === null ? '' : lines.join('')) };
  }
});

/** @throws what a process has said that has ended. */
function isOver(said: () => string): false {
  if (said() === '') return false;
  throw new Error(said());
}

const readinessIn = (file: string) =>
  JSON.parse(readFileSync(file, 'utf8')) as { readonly port: number };

const typed = `
import { act, compensable, defineApplication, defineFlow, defineParticipant, pivot, undo } from 'accord/contracts';
import type { Keyed, TransactionInput } from 'accord/contracts';
import { implement } from 'accord/activity';
import { runFlow } from 'accord/workflow';
import { defineProject, runRelay, runTransactionWorker } from 'accord/worker';
import { runApi } from 'accord/api';
import { openInvariants } from 'accord/testing';
interface Hold extends Keyed { readonly room: string }
export const hotel = defineParticipant('hotel', { hold: act<Hold>({ reserves: true }), take: act<Keyed>(), free: undo() });
interface Stay extends TransactionInput { readonly room: string }
export const stay = defineFlow<Stay>()({
  name: 'stay', workflow: 'stay',
  steps: { hold: compensable(hotel.hold, { undo: hotel.free }), take: pivot(hotel.take, {}) },
});
export const workflow = runFlow(stay, {
  async run(tx, { room }) {
    await tx.hold({ room });
    // @ts-expect-error A room is a string.
    await tx.hold({ room: 1 });
    await tx.take();
  },
});
export const application = defineApplication({ participants: [hotel], flows: [stay] });
export const used = [implement, defineProject, runRelay, runTransactionWorker, runApi, openInvariants];
`;

const workflows = `
const { act, compensable, defineFlow, defineParticipant, pivot, undo } = require('accord/contracts');
const { reconcile, recover, retention, runFlow } = require('accord/workflow');
const hotel = defineParticipant('hotel', { hold: act({ reserves: true }), take: act(), free: undo() });
const stay = defineFlow()({
  name: 'stay', workflow: 'stay',
  steps: { hold: compensable(hotel.hold, { undo: hotel.free }), take: pivot(hotel.take, {}) },
});
module.exports = { reconcile, recover, retention, stay: runFlow(stay, { run: (tx) => tx.hold({}) }) };
`;
