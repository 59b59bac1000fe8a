import { describe, expect, it } from '@jest/globals';

import { eventually } from '../support/eventually';
import { aCheckout, littleTime } from './support/builders';
import type { Answer } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  refusalDeclaredBy,
  refuses,
} from './support/fake-participants';
import { called, cancel, decide, gate, parkedAt } from './support/steering';
import { sidesOf, statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const branches = ['stock', 'funds', 'coupon', 'order', 'decide'];
const tries = [
  'inventory.reserveStock',
  'accounts.reserveDebit',
  'coupons.reserveCoupon',
  'orders.createOrder',
];
const cancels = [
  'inventory.releaseStock',
  'accounts.releaseFunds',
  'coupons.releaseCoupon',
  'orders.cancelOrder',
];

describe('the tries of a checkout', () => {
  it('are under way all at once, and nothing is decided before the last of them', async () => {
    const gates = tries.map((activity) => ({ activity, ...gate() }));
    const fakes = fakeParticipants(
      Object.fromEntries(gates.map(({ activity, answer }) => [activity, answer])),
    );
    const input = aCheckout();
    const result = await runs.run(fakes, input, async () => {
      await Promise.all(gates.map(({ reached }) => reached));
      for (const { open } of gates) {
        expect(fakes.calls).not.toContain('accord.decide');
        open();
      }
    });
    expect(result.outcome).toBe('completed');
    expect(statesOf(fakes, input, branches)).toEqual([...tries.map(() => 'confirmed'), 'acted']);
  });

  it('are one fewer without a coupon', async () => {
    const fakes = fakeParticipants();
    const input = aCheckout({ coupon: null });
    expect((await runs.run(fakes, input)).outcome).toBe('completed');
    expect(fakes.calls.filter((call) => call.startsWith('coupons.'))).toEqual([]);
  });

  it.each(tries)(
    'are all cancelled when %s is refused while the others are in flight',
    async (refused) => {
      const others = tries.filter((activity) => activity !== refused);
      const gates = others.map((activity) => ({ activity, ...gate() }));
      const refusal = refusalDeclaredBy(refused) ?? 'none';
      const refusing = gate(refuses(refusal));
      const fakes = fakeParticipants({
        ...Object.fromEntries(gates.map(({ activity, answer }) => [activity, answer])),
        [refused]: refusing.answer,
      });
      const input = aCheckout();
      const result = await runs.run(fakes, input, async () => {
        await Promise.all([refusing.reached, ...gates.map(({ reached }) => reached)]);
        refusing.open();
        expect(fakes.calls.filter((call) => cancels.includes(call))).toEqual([]);
        for (const { open } of gates) open();
      });
      expect(result).toMatchObject({
        outcome: 'compensated',
        reason: { type: refusal },
      });
      expect(sidesOf(fakes, input, branches)).toEqual(['back']);
      // Others were in flight: a cancel for each but the refused one, which left nothing behind.
      const owed = cancels.filter((_, at) => tries[at] !== refused).reverse();
      expect(fakes.calls.filter((call) => cancels.includes(call))).toEqual(owed);
    },
  );

  it.each(tries)('are fenced where %s arrives after its cancel', async (late) => {
    const waits = gate();
    const answered: unknown[] = [];
    const fakes = fakeParticipants({
      [late]: async (delivery) => {
        const verdict = await waits.answer(delivery);
        answered.push(verdict);
        return verdict;
      },
    });
    const input = aCheckout();
    const result = await runs.run(fakes, input, async (handle) => {
      await waits.reached;
      await cancel(handle); // The hanging try does not beat its heart: it counts as lost after 2 s.
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
    waits.open();
    await eventually(() => answered.length > 0);
    for (const verdict of answered) expect(verdict).toMatchObject({ ok: false, failure: 'Fenced' });
    expect(sidesOf(fakes, input, branches)).toEqual(['back']);
  });

  it.each(tries)('are given up when the time is over while %s is away', async (activity) => {
    const fakes = fakeParticipants({ [activity]: isAway });
    const input = aCheckout({ deadlineAt: Date.now() + 5_000, undoBudgetMs: 3_000 });
    const result = await runs.run(fakes, input);
    expect(result.outcome).toBe('compensated');
    expect(statesOf(fakes, input, ['decide'])).toEqual(['empty']);
    expect(sidesOf(fakes, input, branches)).toEqual(['back']);
  });

  it('that find an invariant broken are looked at by a person, after the others were cancelled', async () => {
    const fakes = fakeParticipants({ 'accounts.reserveDebit': fails('InvariantBroken', 'Odd.') });
    const input = aCheckout();
    await runs.run(fakes, input, async (handle) => {
      const { parked } = await parkedAt(handle, 'funds');
      expect(parked).toMatchObject([{ reason: 'invariant_broken', detail: 'Odd.' }]);
      expect(statesOf(fakes, input, branches)).not.toContain('acted');
      await decide(handle, 'funds', 'done');
    });
    expect(fakes.endings).toMatchObject([{ outcome: 'compensated' }]);
  });
});

describe('the confirms of a checkout', () => {
  it.each(['done', 'skip', 'retry'] as const)(
    'go on by %s where one parks, and the others do not wait for it',
    async (decision) => {
      const fakes = fakeParticipants({
        'accounts.confirmDebit': first(1, fails('InvariantBroken')),
      });
      const input = aCheckout();
      await runs.run(fakes, input, async (handle) => {
        await parkedAt(handle, 'funds-confirm');
        await called(fakes, 'orders.completeOrder');
        await decide(handle, 'funds-confirm', decision);
      });
      expect(fakes.endings).toMatchObject([{ outcome: 'completed' }]);
    },
  );

  it('follow once the decision has happened, however late its answer is', async () => {
    const onlyOnce: Answer = (delivery) => {
      if (delivery.call > 1) return delivery.proceed();
      delivery.proceed();
      throw new Error('The answer was lost.');
    };
    const fakes = fakeParticipants({ 'accord.decide': onlyOnce });
    const input = aCheckout(littleTime());
    expect((await runs.run(fakes, input)).outcome).toBe('completed');
    expect(sidesOf(fakes, input, branches)).toEqual(['forward']);
  });
});
