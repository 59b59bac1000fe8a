import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';

import {
  AllowancesUnavailable,
  createAllowanceStore,
} from '../../../activities/accounts/allowance-store';
import {
  createLockStore,
  LocksUnavailable,
  type LockStore,
} from '../../../activities/locks/lock-store';
import { stepKeyOf } from '../../../contracts/engine/ids';
import { openRedis } from '../../../runtime/redis';
import { guardRedis, type GuardedRedis } from '../../../runtime/redis-premises';
import { freePort } from '../../../runtime/ports';
import { lineProgress } from '../../../testing/stack/progress';
import { redis as recipe } from '../../../testing/stack/servers/redis';
import { eventually } from '../../support/eventually';

const opened: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of opened.reverse()) await close();
});

/** A server of this test alone, which it may configure as it likes. @returns its address. */
async function ownRedis(...directives: readonly string[]): Promise<string> {
  const program = await Promise.resolve()
    .then(() => recipe.findOnPath())
    .catch(() => recipe.fetch(lineProgress(() => undefined)));
  const folder = mkdtempSync(join(tmpdir(), 'accord-redis-'));
  const port = await freePort();
  const file = join(folder, 'redis.conf');
  const lines = ['bind 127.0.0.1', `port ${port}`, `dir "${folder}"`, 'save ""', ...directives];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const server = spawn(program.file, [...program.args, file], { stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  opened.push(async () => {
    server.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  return `redis://127.0.0.1:${port}`;
}

async function open(url: string): Promise<{
  readonly locks: LockStore;
  readonly guarded: GuardedRedis;
}> {
  const redis = openRedis(url);
  opened.push(() => redis.disconnect());
  await eventually(() => redis.ping(), { withinMs: 20_000, what: 'an answer of Redis' });
  const guarded = guardRedis(redis);
  return { guarded, locks: createLockStore({ redis: guarded.commands }) };
}

function administrator(url: string): Redis {
  const admin = new Redis(url);
  opened.push(() => admin.disconnect());
  return admin;
}

const aLock = { kind: 'customer', id: 'acme.C-1', gid: 'order:acme.O-1' } as const;

const outcomeOf = (locks: LockStore): Promise<unknown> =>
  locks.acquire(aLock).catch((error: unknown) => error);

describe('a Redis that does not hold its premises is left alone as if it were away', () => {
  it('while it evicts, and is used again when it no longer does', async () => {
    const url = await ownRedis();
    const { guarded, locks } = await open(url);
    const admin = administrator(url);
    expect(await guarded.premises.ask()).toEqual([]);
    expect(await outcomeOf(locks)).toMatchObject({ held: false });

    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    expect(await guarded.premises.ask()).toMatchObject([
      {
        ...{ product: 'Redis', setting: 'maxmemory-policy', found: 'allkeys-lru' },
        ...{ wanted: 'noeviction', isRequired: false },
      },
    ]);
    expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable);

    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    expect(await guarded.premises.ask()).toEqual([]);
    expect(await locks.renew(aLock)).toBe(true);
  }, 60_000);

  it('where it forbids scripts to its user, also while it is used', async () => {
    const url = await ownRedis();
    const { guarded, locks } = await open(url);
    expect(await outcomeOf(locks)).toMatchObject({ held: false });
    await administrator(url).call('ACL', 'SETUSER', 'default', '-@scripting');
    expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable); // Before anybody has looked.
    expect(await guarded.premises.ask()).toMatchObject([{ setting: 'EVAL', isRequired: false }]);
    expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable);
  }, 60_000);

  it('where its administrator has renamed EVAL', async () => {
    const { guarded, locks } = await open(await ownRedis('rename-command EVAL ""'));
    expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable);
    expect(guarded.broken()).toMatchObject([{ setting: 'EVAL', found: 'refused' }]);
  }, 60_000);

  it('where it forbids a command that a script of ours calls, and names it', async () => {
    const url = await ownRedis();
    const { guarded, locks } = await open(url);
    const admin = administrator(url);
    const commands = calledByScripts();
    expect(commands).toEqual(expect.arrayContaining(['PEXPIRE', 'HSET', 'DEL']));
    for (const name of commands) {
      await admin.call('ACL', 'SETUSER', 'default', `-${name.toLowerCase()}`);
      const found = `${name} refused`;
      expect(await guarded.premises.ask()).toMatchObject([{ found, isRequired: false }]);
      expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable);
      await admin.call('ACL', 'SETUSER', 'default', '+@all');
    }
    expect(await guarded.premises.ask()).toEqual([]);
    expect(await outcomeOf(locks)).toMatchObject({ held: false });
    expect(await admin.keys('accord:trial*')).toEqual([]);
  }, 60_000);

  it('where it forbids one while it is used, before anybody has looked', async () => {
    const url = await ownRedis();
    const { guarded, locks } = await open(url);
    expect(await outcomeOf(locks)).toMatchObject({ held: false });
    await administrator(url).call('ACL', 'SETUSER', 'default', '-pexpire', '-hset', '-del');
    for (const used of [locks.renew(aLock), locks.release(aLock)])
      await expect(used).rejects.toBeInstanceOf(LocksUnavailable);
    const allowances = createAllowanceStore({ redis: guarded.commands });
    const key = stepKeyOf('payment:acme.P-1', 'risk');
    const claim = { key, scope: 'payer:1', quantity: 1, max: 10, keepMs: 60_000 };
    const used = () => Promise.resolve(new Map<string, number>());
    await expect(allowances.take([claim], used)).rejects.toBeInstanceOf(AllowancesUnavailable);
  }, 60_000);

  it('where its administrator has renamed a command that a script of ours calls', async () => {
    const { guarded, locks } = await open(await ownRedis('rename-command PEXPIRE ""'));
    expect(await outcomeOf(locks)).toBeInstanceOf(LocksUnavailable);
    expect(guarded.broken()).toMatchObject([{ found: 'PEXPIRE refused' }]);
  }, 60_000);
});

function calledByScripts(): readonly string[] {
  const sources = [
    ...['activities/locks/lock-scripts.ts', 'activities/accounts/allowance-scripts.ts'],
    'api/http/limits.ts',
  ].map((path) => readFileSync(path, 'utf8'));
  const calls = sources.flatMap((source) => [...source.matchAll(/redis\.call\('(\w+)'/g)]);
  return [...new Set(calls.map(([, name = '']) => name))];
}
