/** Processes as production runs them, on machines that are not as they should be. No server is there. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';

import { searchPath } from '../../../testing/stack/config';
import { programArguments, type Role } from '../../../testing/environment/application';
import { build } from '../../../testing/environment/build';
import { eventually } from '../../support/eventually';

/** Nobody listens there. */
const mysql = (database: string): string => `mysql://nobody:secret@127.0.0.1:1/accord_${database}`;
const needed = {
  ...Object.fromEntries(
    ['INVENTORY', 'ACCOUNTS', 'ORDERS', 'COUPONS', 'ACCORD'].map((name) => [
      `${name}_DATABASE_URL`,
      mysql(name.toLowerCase()),
    ]),
  ),
  ...Object.fromEntries(
    ['', 'ORDERS_', 'ACCOUNTS_', 'INVENTORY_', 'COUPONS_'].map((name) => [
      `API_${name}DATABASE_URL`,
      mysql('accord'),
    ]),
  ),
  API_SECRET: 'a secret of a process that nobody asks anything',
  RELAY_DATABASE_URLS: mysql('orders'),
  CONSUMER_DATABASE_URL: mysql('orders'),
  KAFKA_BROKERS: '127.0.0.1:1',
  REDIS_URL: 'redis://127.0.0.1:1',
  TEMPORAL_ADDRESS: '127.0.0.1:1',
  METRICS_PORT: '0',
  API_PORT: '0',
};

interface Ending {
  readonly code: number | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Longer than loading the code takes on a busy machine. */
const withinMs = 30_000;

const children = new Set<ChildProcess>();
let folder: string;
let taken: Server;

beforeAll(async () => {
  await build();
  folder = mkdtempSync(join(tmpdir(), 'accord-starting-'));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});
afterAll(() => {
  taken.close();
  rmSync(folder, { recursive: true, force: true });
});

/** With nothing of this shell but the way to programs. */
function run(role: Role, variables: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, programArguments(role), {
    env: { PATH: searchPath(), ...needed, ...variables },
  });
  children.add(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ending>((resolve) => {
    child.once('close', (code) => resolve({ code, stderr, stdout }));
  });
  const ending = Promise.race([
    ended,
    new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`${role} has not ended: ${stdout}`)), withinMs).unref();
    }),
  ]);
  ending.catch(() => undefined); // Asked for by those tests alone that expect an end.
  return { child, ending, written: () => stdout };
}

const roles = ['api', 'worker', 'relay', 'consumer'] as const;
const urlOf: Readonly<Record<(typeof roles)[number], string>> = {
  api: 'API_DATABASE_URL',
  worker: 'ORDERS_DATABASE_URL',
  relay: 'RELAY_DATABASE_URLS',
  consumer: 'CONSUMER_DATABASE_URL',
};

describe.each(roles)('%s', (role) => {
  const portVariable = role === 'api' ? 'API_PORT' : 'METRICS_PORT';

  it('ends at once with one sentence over a fault that does not exist', async () => {
    const { code, stderr } = await run(role, {
      ACCORD_DEVELOPMENT: 'allow-faults',
      FAULTS: 'typo',
    }).ending;
    expect(stderr).toMatch(/^FAULTS: "typo" names no known place.*\n$/);
    expect(code).toBe(1);
  });

  it('does not start with faults where nobody has allowed them, whatever NODE_ENV says', async () => {
    const { code, stderr } = await run(role, { FAULTS: 'api.start:before:kill:1' }).ending;
    expect(stderr).toMatch(/^FAULTS is set: .*ACCORD_DEVELOPMENT=allow-faults.*\n$/);
    expect(code).toBe(1);
  });

  it('ends at once with the name of a URL whose password was not escaped, and without the password', async () => {
    const name = urlOf[role];
    const { code, stderr, stdout } = await run(role, {
      [name]: 'mysql://user:hunter2%@127.0.0.1:1/accord_orders',
    }).ending;
    const sentence = stderr.split('\n').find((line) => line.startsWith(`  ${name}`));
    expect(sentence).toMatch(/: a % that begins no escape: write it as %25$/);
    expect(stderr + stdout).not.toContain('hunter2');
    expect(code).toBe(1);
  });

  it('ends at once with the name of the variable where its port is in use', async () => {
    const { port } = taken.address() as AddressInfo; // A TCP server that listens.
    const { code, stderr } = await run(role, { [portVariable]: String(port) }).ending;
    expect(stderr).toBe(
      `${portVariable}: port ${port} of 127.0.0.1 is in use by another process.\n`,
    );
    expect(code).toBe(1);
  });

  it('ends at once with the name of the variable where its host is none of this machine', async () => {
    const variable = role === 'api' ? 'API_HOST' : 'METRICS_HOST';
    const { code, stderr } = await run(role, { [variable]: '192.0.2.1' }).ending;
    expect(stderr).toBe(`${variable}: 192.0.2.1 is no address of this machine.\n`);
    expect(code).toBe(1);
  });
});

describe('a process that is ready', () => {
  it.each(['api', 'relay', 'consumer'] as const)(
    'says so in a file where its log is silent, at an IPv6 address: %s',
    async (role) => {
      const file = join(folder, `${role}.ready`);
      const host = role === 'api' ? 'API_HOST' : 'METRICS_HOST';
      const { child, ending, written } = run(role, {
        LOG_LEVEL: 'silent',
        READY_FILE: file,
        [host]: '[::1]',
      });
      await eventually(() => existsSync(file), { withinMs, what: `${role} to be ready` });
      const { pid, port } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
      expect(pid).toBe(child.pid);
      expect((await fetch(`http://[::1]:${String(port)}/livez`)).status).toBe(200);
      expect(written()).toBe('');
      child.kill('SIGKILL');
      await ending;
    },
  );
});

describe('a worker that waits for its server', () => {
  it('ends at SIGTERM, since it has nothing in hand', async () => {
    const { child, ending, written } = run('worker', {});
    await eventually(() => written().includes('does not answer yet'), {
      withinMs,
      what: 'the worker to look for Temporal',
    });
    child.kill('SIGTERM');
    expect((await ending).code).toBe(0);
  });
});
