import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Redis } from 'ioredis';

import {
  counterKeyOf,
  createAllowanceStore,
  markerKeyOf,
  type AllowanceStore,
  type Claim,
} from '../../../../activities/accounts/allowance-store';
import { createVelocityMeter, velocityGaps } from '../../../../activities/accounts/risk-velocity';
import { openRedis } from '../../../../runtime/redis';
import type { BusinessId } from '../../../../contracts/engine/ids';
import type { RiskPolicy } from '../../../../contracts/participants/risk';
import { createProxy, type Proxy } from '../../../../runtime/tcp-proxy/proxy';
import { eventually } from '../../../support/eventually';
import { testStack } from '../../../support/stack';
import {
  assessmentOf,
  lenient,
  ownPayments,
  stepOf,
  windowMs,
  type OwnPayment,
  type OwnPayments,
  type Participant,
} from './own-payments';

const atMost = (max: number): RiskPolicy => ({
  ...lenient,
  velocity: { windowMs, max, score: 50 },
});

let payments: OwnPayments;
let pay: Participant;
let allowances: AllowanceStore;
let payerId: BusinessId;
beforeAll(async () => {
  payments = await ownPayments();
  pay = payments.participant();
  allowances = createAllowanceStore({ redis: payments.redis });
});
afterAll(() => payments.drop());
beforeEach(async () => {
  payerId = await payments.bank.customer(1_000);
});

const allowanceOf = (payer: BusinessId): string =>
  `velocity/${payer}/${windowMs}/${Math.floor(Date.now() / windowMs)}`;
const opened = async (): Promise<OwnPayment> => {
  const own = await payments.payment({ payerId });
  await pay.openPayment([own.open]);
  return own;
};
const decided = (verdicts: readonly object[]): readonly unknown[] =>
  verdicts.map((verdict) => {
    const result = 'result' in verdict ? verdict.result : undefined;
    return typeof result === 'object' && result && 'decision' in result ? result.decision : verdict;
  });
const assess = async (own: OwnPayment, max: number, by = pay): Promise<unknown> =>
  decided(await by.assessRisk([assessmentOf(own, atMost(max))]))[0];
const left = () => payments.redis.hget(counterKeyOf(allowanceOf(payerId)), 'left');
const loseCounter = () => payments.redis.del(counterKeyOf(allowanceOf(payerId)));
const gaps = () => velocityGaps(payments.bank.pool, allowances, [allowanceOf(payerId)]);

describe('the velocity of a payer', () => {
  it('speaks about the payment that comes after the last allowed, and no sooner', async () => {
    const own = [await opened(), await opened(), await opened()];
    const decisions = await pay.assessRisk(own.map((one) => assessmentOf(one, atMost(2))));
    expect(decided(decisions)).toEqual(['approve', 'approve', 'review']);
    expect(await left()).toBe('0');
    expect(await gaps()).toEqual([]);
  });

  it('is the same for the retry of the act that took the last unit', async () => {
    const own = await opened();
    const failing = payments.participant({
      faults: {
        reach: (_, point) =>
          point === 'beforeCommit' ? Promise.reject(new Error('Planted.')) : Promise.resolve(),
      },
    });
    await expect(assess(own, 1, failing)).rejects.toThrow('Planted.');
    expect(await left()).toBe('0');
    expect(await assess(own, 1)).toBe('approve');
    expect(await left()).toBe('0');
    expect(await assess(await opened(), 1)).toBe('review');
  });

  it('has one more left when a payment is taken back, once', async () => {
    const own = await opened();
    await assess(own, 1);
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    expect(await left()).toBe('1');
    expect(await assess(await opened(), 1)).toBe('approve');
    expect(await gaps()).toEqual([]);
  });

  it('is counted anew from MySQL when the counter is lost', async () => {
    await assess(await opened(), 2);
    const withdrawn = await opened();
    await assess(withdrawn, 2);
    await pay.clearRisk([stepOf(withdrawn, 'assessRisk')]);
    await loseCounter();
    expect(await assess(await opened(), 2)).toBe('approve');
    expect(await assess(await opened(), 2)).toBe('review');
    expect(await gaps()).toEqual([]);
  });

  it('does not get a unit back that a rebuild has counted: the undo came across it', async () => {
    const own = await opened();
    await assess(own, 3);
    await loseCounter();
    await assess(await opened(), 3);
    expect(await left()).toBe('1');
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    expect(await left()).toBe('1');
    expect(await gaps()).toEqual([{ allowance: allowanceOf(payerId), redis: 2, mysql: 1 }]);
  });

  it('takes nothing twice when a failover loses the marker: the fence of MySQL decides', async () => {
    const own = await opened();
    await assess(own, 2);
    await payments.redis.del(markerKeyOf(allowanceOf(payerId), own.key('assessRisk')));
    expect(await assess(own, 2)).toBe('approve');
    expect(await left()).toBe('1');
  });

  it('shows the unit that a lost marker could not give back, until the counter is built anew', async () => {
    const own = await opened();
    await assess(own, 2);
    await payments.redis.del(markerKeyOf(allowanceOf(payerId), own.key('assessRisk')));
    await pay.clearRisk([stepOf(own, 'assessRisk')]);
    expect(await gaps()).toEqual([{ allowance: allowanceOf(payerId), redis: 1, mysql: 0 }]);
    await loseCounter();
    expect(await gaps()).toEqual([]);
    await assess(await opened(), 2);
    expect(await left()).toBe('1');
    expect(await gaps()).toEqual([]);
  });

  it('lets through exactly what is allowed when many payments meet', async () => {
    const own = await Promise.all(Array.from({ length: 20 }, opened));
    const decisions = await Promise.all(own.map((one) => assess(one, 7)));
    expect(decisions.filter((decision) => decision === 'approve')).toHaveLength(7);
    expect(await gaps()).toEqual([]);
  });

  it('keeps neither counters nor markers for ever', async () => {
    const own = await opened();
    await assess(own, 1);
    const keys = await payments.redis.keys(`*${allowanceOf(payerId)}*`);
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(await payments.redis.pttl(key)).toBeGreaterThan(windowMs);
  });
});

describe('the velocity while Redis is away', () => {
  let proxy: Proxy;
  let away: Redis;
  let heard: unknown[];
  let alone: Participant;

  /** A server that hangs, or a network that swallows packets: the connection stands, nobody answers. */
  beforeEach(async () => {
    proxy = await createProxy({ target: (await testStack()).redis.url });
    away = openRedis(proxy.url);
    await eventually(() => away.ping());
    proxy.pass('blackhole');
    heard = [];
    const velocity = createVelocityMeter({
      allowances: createAllowanceStore({ redis: away }),
      unavailable: (error) => heard.push(error.name),
    });
    alone = payments.participant({ velocity });
  });
  afterEach(async () => {
    away.disconnect();
    await proxy.close();
  });

  it('is counted in MySQL: nothing is refused, nothing is let through, nobody waits long', async () => {
    const startedAt = performance.now();
    expect(await assess(await opened(), 2, alone)).toBe('approve');
    expect(await assess(await opened(), 2, alone)).toBe('approve');
    const third = await opened();
    expect(await assess(third, 2, alone)).toBe('review');
    expect(performance.now() - startedAt).toBeLessThan(3_000); // Three times 200 ms, and what SQL takes.
    expect(heard).toEqual(Array.from({ length: 3 }, () => 'AllowancesUnavailable'));
    const [row] = await payments.bank.admin.select(
      'SELECT counted_in, taken FROM risk_assessments WHERE gid = ?',
      [third.gid],
    );
    expect(row).toEqual({ counted_in: 'mysql', taken: 0 });
  });

  it('counts payments that arrive together, and none that was closed', async () => {
    const closed = await opened();
    await pay.closePayment([stepOf(closed, 'openPayment')]);
    const own = [await opened(), await opened(), await opened()];
    const decisions = await Promise.all(own.map((one) => assess(one, 2, alone)));
    expect(decisions).toEqual(['approve', 'approve', 'review']);
  });

  it('and a connection that breaks are the same', async () => {
    away.disconnect();
    expect(await assess(await opened(), 1, alone)).toBe('approve');
    expect(await assess(await opened(), 1, alone)).toBe('review');
  });

  it('undoes what was counted', async () => {
    const own = await opened();
    await assess(own, 2, alone);
    expect(await alone.clearRisk([stepOf(own, 'assessRisk')])).toMatchObject([{ ok: true }]);
  });
});

describe('an allowance', () => {
  const max = 6;
  const keepMs = 60_000;
  const nothingUsed = () => Promise.resolve(new Map<string, number>());
  const aClaim = (scope: string, n: number, quantity = 1): Claim => ({
    key: `payment:acme.P-${n}/assessRisk`,
    scope,
    quantity,
    max,
    keepMs,
  });

  it('takes nothing for an act that comes after its undo', async () => {
    const scope = `test/${randomUUID()}`;
    const claim = aClaim(scope, 1);
    await allowances.giveBack([claim]);
    expect([...(await allowances.take([claim], nothingUsed)).values()]).toEqual([undefined]);
    await payments.forgetKeys(`*${scope}*`);
  });

  /** The scripts as plain code: markers before counters, generations, the record that a rebuild is counted from. */
  function model() {
    const markers = new Map<number, { state: string; gen: number; quantity: number }>();
    let counter: { gen: number; left: number } | undefined;
    let gens = 0;
    const used = (): number =>
      [...markers.values()].reduce(
        (sum, { state, quantity }) => sum + (state === 'acted' ? quantity : 0),
        0,
      );
    return {
      used,
      left: () => counter?.left,
      take(n: number, quantity: number): boolean | undefined {
        const marker = markers.get(n);
        if (marker) return { acted: true, refused: false }[marker.state];
        counter ??= { gen: (gens += 1), left: max - used() };
        const isWithin = counter.left >= quantity;
        if (isWithin) counter.left -= quantity;
        markers.set(n, { state: isWithin ? 'acted' : 'refused', gen: counter.gen, quantity });
        return isWithin;
      },
      giveBack(n: number): void {
        const marker = markers.get(n);
        if (!marker) markers.set(n, { state: 'empty', gen: 0, quantity: 0 });
        if (marker?.state !== 'acted') return;
        if (counter?.gen === marker.gen) counter.left += marker.quantity;
        marker.state = 'undone';
      },
      lose(): void {
        counter = undefined;
      },
    };
  }

  const effect = fc.nat({ max: 11 });
  const call = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant('take' as const), n: effect }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant('giveBack' as const), n: effect }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('lose' as const), n: effect }) },
  );

  it('answers thousands of random calls as a plain model does', async () => {
    let calls = 0;
    const property = fc.asyncProperty(
      fc.array(call, { minLength: 50, maxLength: 100 }),
      async (list) => {
        const scope = `test/${randomUUID()}`;
        const plain = model();
        const real = callsOf(scope, plain.used);
        for (const { op, n } of list) {
          const quantity = 1 + (n % 3);
          const answer = await real[op](aClaim(scope, n, quantity));
          expect(answer).toBe(plain[op](n, quantity));
          const counted = await payments.redis.hget(counterKeyOf(scope), 'left');
          expect(counted).toBe(plain.left()?.toString() ?? null);
          calls += 1;
        }
        await payments.forgetKeys(`*${scope}*`);
      },
    );
    await fc.assert(property, { numRuns: 40 });
    expect(calls).toBeGreaterThan(2_000);
  });

  const callsOf = (scope: string, used: () => number) => ({
    take: async (claim: Claim): Promise<boolean | undefined> => {
      const record = () => Promise.resolve(new Map([[scope, used()]]));
      return (await allowances.take([claim], record)).get(claim.key);
    },
    giveBack: async (claim: Claim): Promise<void> => allowances.giveBack([claim]),
    lose: async (): Promise<void> => {
      await payments.redis.del(counterKeyOf(scope));
    },
  });
});
