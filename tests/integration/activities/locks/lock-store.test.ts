import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Redis } from 'ioredis';

import { createLockActivities, type LockObserver } from '../../../../activities/locks/activities';
import { createLockStore } from '../../../../activities/locks/lock-store';
import { openRedis } from '../../../../runtime/redis';
import {
  fencingToken,
  type LockActivities,
  type LockRequest,
} from '../../../../contracts/engine/locks';
import { eventually } from '../../../support/eventually';
import { testStack } from '../../../support/stack';

let redis: Redis;
let customer: string;

beforeAll(async () => {
  redis = openRedis((await testStack()).redis.url);
  await eventually(() => redis.ping());
});
afterAll(async () => {
  await redis.quit();
});
beforeEach(() => {
  customer = `acme.C-${randomUUID()}`;
});
afterEach(async () => {
  await redis.del(`lock:{customer:${customer}}`, `lock-grants:{customer:${customer}}`);
});

const silent: LockObserver = {
  unavailable: () => undefined,
  outageBegan: () => undefined,
  outageEnded: () => undefined,
};

const lockActivities = ({
  epoch = 1,
  ttlMs,
}: { epoch?: number; ttlMs?: number } = {}): LockActivities =>
  createLockActivities({
    locks: createLockStore({ redis, ...(ttlMs === undefined ? {} : { ttlMs }) }),
    epoch: () => Promise.resolve(epoch),
    observer: silent,
  });

const by = (owner: string): LockRequest => ({
  kind: 'customer',
  id: customer,
  gid: `order:acme.${owner}`,
});
const tokenFor = async (locks: LockActivities, owner: string): Promise<bigint> =>
  BigInt((await locks.acquireLock(by(owner))).token ?? '0');

describe('the customer lock', () => {
  it('is held by one owner at a time; the other is told to come again, soon', async () => {
    const locks = lockActivities();
    await locks.acquireLock(by('one'));
    const refusal = await locks.acquireLock(by('two')).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ type: 'LockHeld', nonRetryable: false });
    expect(refusal).toHaveProperty('nextRetryDelay');
    const { nextRetryDelay } = refusal as { readonly nextRetryDelay: number };
    expect(nextRetryDelay).toBeGreaterThanOrEqual(1);
    expect(nextRetryDelay).toBeLessThanOrEqual(375);
  });

  it('gives its owner a newer token when he asks again', async () => {
    const locks = lockActivities();
    const first = await tokenFor(locks, 'one');
    expect(await tokenFor(locks, 'one')).toBeGreaterThan(first);
  });

  it('is granted once when twenty ask at the same moment', async () => {
    const locks = lockActivities();
    const answers = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => locks.acquireLock(by(`owner-${n}`))),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('gives ever larger tokens, across releases and epochs', async () => {
    const tokens: bigint[] = [];
    for (const [owner, epoch] of [
      ['one', 1],
      ['two', 1],
      ['one', 1],
      ['three', 2],
    ] as const) {
      const locks = lockActivities({ epoch });
      tokens.push(await tokenFor(locks, owner));
      await locks.releaseLock(by(owner));
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((one, other) => (one < other ? -1 : 1)));
    expect(tokens.at(-1)).toBeGreaterThanOrEqual(fencingToken(2, 1));
  });

  it('gives a larger token even when Redis has forgotten how often it was granted', async () => {
    const locks = lockActivities();
    const before = await tokenFor(locks, 'one');
    const moment = await clockOf(redis);
    await eventually(async () => (await clockOf(redis)) > moment, { withinMs: 3_000 });
    await redis.del(`lock-grants:{customer:${customer}}`);
    expect(await tokenFor(locks, 'one')).toBeGreaterThan(before);
  });

  it('is given back by its owner alone, and twice without harm', async () => {
    const locks = lockActivities();
    await locks.acquireLock(by('one'));
    await locks.releaseLock(by('two'));
    await expect(locks.acquireLock(by('two'))).rejects.toMatchObject({ type: 'LockHeld' });
    await locks.releaseLock(by('one'));
    await locks.releaseLock(by('one'));
    expect(await tokenFor(locks, 'two')).toBeGreaterThan(0n);
  });

  it('does not free the successor when the former owner releases late', async () => {
    const locks = lockActivities({ ttlMs: 50 });
    await locks.acquireLock(by('one'));
    await eventually(() => locks.acquireLock(by('two')));
    const steady = lockActivities();
    await steady.renewLock(by('two'));
    await steady.releaseLock(by('one'));
    await expect(steady.acquireLock(by('three'))).rejects.toMatchObject({ type: 'LockHeld' });
  });

  it('is free when its lease has run out, and says so to the one who renews', async () => {
    const locks = lockActivities({ ttlMs: 50 });
    const first = await tokenFor(locks, 'one');
    expect(await locks.renewLock(by('one'))).toBe(true);
    const second = await eventually(() => tokenFor(locks, 'two'));
    expect(second).toBeGreaterThan(first);
    expect(await locks.renewLock(by('one'))).toBe(false);
  });

  it('lasts a whole lease from each renewal on', async () => {
    await lockActivities({ ttlMs: 1_000 }).acquireLock(by('one'));
    await lockActivities({ ttlMs: 30_000 }).renewLock(by('one'));
    expect(await redis.pttl(`lock:{customer:${customer}}`)).toBeGreaterThan(25_000);
  });
});

describe('without Redis', () => {
  let deaf: Server;
  let away: Redis;
  let heard: string[];
  let locks: LockActivities;

  /** Takes connections and never answers: what a hung server, or a network that swallows packets, looks like. */
  beforeEach(async () => {
    deaf = createServer(() => undefined);
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    away = openRedis(`redis://127.0.0.1:${(deaf.address() as AddressInfo).port}`);
    heard = [];
    locks = createLockActivities({
      locks: createLockStore({ redis: away }),
      epoch: () => Promise.resolve(1),
      observer: {
        unavailable: (operation) => heard.push(operation),
        outageBegan: () => heard.push('began'),
        outageEnded: () => heard.push('ended'),
      },
    });
  });
  afterEach(() => {
    away.disconnect();
    deaf.close();
  });

  it('lets every run go on, counts each call and reports the outage once', async () => {
    const startedAt = performance.now();
    expect(await locks.acquireLock(by('one'))).toEqual({ token: null });
    expect(await locks.renewLock(by('one'))).toBe(true);
    await locks.releaseLock(by('one'));
    expect(heard).toEqual(['acquireLock', 'began', 'renewLock', 'releaseLock']);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

const clockOf = async (of: Redis): Promise<number> => Number((await of.time())[0]);
