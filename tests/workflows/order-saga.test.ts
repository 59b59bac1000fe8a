import { shop } from '../../contracts/shop';
import { describe, expect, it } from '@jest/globals';

import { createTemporal } from '../../api/transactions/temporal';
import type { CompensationReason } from '../../contracts/engine/failures';
import type { OrderSagaInput } from '../../contracts/flows/order';
import { parkTransactionUpdate, timelineQuery } from '../../contracts/engine/transaction';
import type { TransactionResult } from '../../contracts/engine/transaction';
import { searchAttributes } from '../../contracts/engine/search-attributes';
import { eventually } from '../support/eventually';
import type { Answer, FakeParticipants } from './support/fake-participants';
import {
  fails,
  fakeParticipants,
  first,
  isAway,
  isHeld,
  losesAnswer,
  losesAnswerUntilSealed,
  refuses,
} from './support/fake-participants';
import { anOrder, anOrderWithCoupon, littleTime } from './support/builders';
import {
  actor,
  cancel,
  decide,
  gate,
  parkedAt,
  refusalOf,
  updateAccepted,
} from './support/steering';
import type { TransactionHandle } from './support/transaction-runs';
import { sidesOf, statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

/** Runs one order beside a worker; `meanwhile` steers it, the result is awaited in the end. */
const runOrder = (
  fakes: FakeParticipants,
  { order = anOrder(), meanwhile }: RunOptions = {},
): Promise<TransactionResult> => runs.run(fakes, order, meanwhile);

interface RunOptions {
  readonly order?: OrderSagaInput;
  readonly meanwhile?: (handle: TransactionHandle) => Promise<unknown>;
}

const acts = [
  'inventory.reserveStock',
  'accounts.holdFunds',
  'orders.createOrder',
  'accounts.captureFunds',
];
const undos = ['orders.cancelOrder', 'accounts.releaseFunds', 'inventory.releaseStock'];

describe('an order that goes well', () => {
  it('takes its steps in the order of the business and writes its ending last', async () => {
    const fakes = fakeParticipants();
    const order = anOrder();
    const result = await runOrder(fakes, { order });
    expect(result.outcome).toBe('completed');
    expect(fakes.calls).toEqual([...acts, 'inventory.confirmStock', 'orders.completeOrder']);
    expect(fakes.endings).toMatchObject([{ outcome: 'completed', reason: null }]);
    expect(statesOf(fakes, order)).toEqual(['confirmed', 'confirmed', 'confirmed', 'acted']);
  });

  it('has the steps that its definition shows to the outside', async () => {
    const { steps } = await runOrder(fakeParticipants(), { order: anOrderWithCoupon() });
    expect(steps.map(({ name, kind }) => ({ name, kind }))).toEqual(
      shop.stepsOfFlow('order').map(({ name, kind }) => ({ name, kind })),
    );
  });

  describe('that its coupon makes free', () => {
    const free = () => anOrderWithCoupon({ amount: { currency: 'EUR', minorUnits: 0 } });

    it('has no step of money, and is decided in accord', async () => {
      const fakes = fakeParticipants();
      const order = free();
      const { outcome, steps } = await runOrder(fakes, { order });
      expect(outcome).toBe('completed');
      expect(fakes.calls.filter((call) => call.startsWith('accounts.'))).toEqual([]);
      expect(steps.map(({ name }) => name)).toEqual([
        'reserveStock',
        'coupon',
        'createOrder',
        'decide',
        'confirmStock',
        'completeOrder',
        'coupon-confirm',
      ]);
      expect(fakes.stateOf(order.gid, 'decide')).toBe('acted');
    });

    it('is undone as any other, and never decided', async () => {
      const fakes = fakeParticipants({ 'orders.createOrder': refuses('ParticipantRefused') });
      const order = free();
      const { outcome } = await runOrder(fakes, { order });
      expect(outcome).toBe('compensated');
      expect(fakes.calls.filter((call) => call.startsWith('accounts.'))).toEqual([]);
      expect(fakes.stateOf(order.gid, 'reserveStock')).toBe('undone');
      expect(fakes.stateOf(order.gid, 'decide')).not.toBe('acted');
    });
  });

  it('holds the lock of its customer from before the first step to after the last', async () => {
    const fakes = fakeParticipants();
    await runOrder(fakes);
    expect(fakes.lockCalls).toEqual(['acquireLock', 'releaseLock']);
  });

  it('waits while another order of the customer has the lock', async () => {
    const fakes = fakeParticipants({ acquireLock: first(3, isHeld) });
    expect((await runOrder(fakes)).outcome).toBe('completed');
  });

  it('shows state and step as search attributes', async () => {
    const order = anOrder();
    await runOrder(fakeParticipants(), { order });
    const { typedSearchAttributes } = await runs.newest(order).describe();
    expect(typedSearchAttributes.get(searchAttributes.state)).toBe('completed');
  });
});

describe('an order that is refused', () => {
  const cases: readonly { step: string; type: CompensationReason; undone: readonly string[] }[] = [
    { step: 'inventory.reserveStock', type: 'OutOfStock', undone: [] },
    { step: 'accounts.holdFunds', type: 'InsufficientFunds', undone: undos.slice(2) },
    { step: 'accounts.captureFunds', type: 'AccountUnavailable', undone: undos },
  ];
  it.each(cases)(
    'takes back what was done before $step, last first, and asks no seal',
    async ({ step, type, undone }) => {
      const fakes = fakeParticipants({ [step]: refuses(type, 'Sorry.') });
      const result = await runOrder(fakes);
      expect(result).toMatchObject({
        outcome: 'compensated',
        reason: { type, step: step.split('.')[1], detail: 'Sorry.' },
      });
      expect(fakes.calls).toEqual([...acts.slice(0, acts.indexOf(step) + 1), ...undone]);
      expect(fakes.endings).toMatchObject([{ outcome: 'compensated' }]);
    },
  );
});

describe('an order whose outcome is unknown', () => {
  it.each(acts.slice(0, 3))('undoes %s too when its answers are lost', async (step) => {
    const fakes = fakeParticipants({ [step]: losesAnswer });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await eventually(() => fakes.calls.filter((call) => call === step).length > 1);
        await cancel(handle);
      },
    });
    expect(result.outcome).toBe('compensated');
    expect(statesOf(fakes, order).filter((state) => state === 'acted')).toEqual([]);
    expect(fakes.stateOf(order.gid, 'captureFunds')).toBe('empty'); // Sealed before the first undo.
    const seal = fakes.calls.indexOf('accounts.sealBranch');
    expect(fakes.calls.slice(seal + 1)).toEqual(undos); // Also of steps that only another life may have done.
  });

  it('goes forward when the pivot took effect and its answer was lost', async () => {
    const fakes = fakeParticipants({ 'accounts.captureFunds': losesAnswerUntilSealed });
    const order = anOrder(littleTime());
    const result = await runOrder(fakes, { order });
    expect(result.outcome).toBe('completed');
    expect(fakes.calls).not.toContain('orders.cancelOrder');
    expect(statesOf(fakes, order)).toEqual(['confirmed', 'confirmed', 'confirmed', 'acted']);
  });

  it('undoes when the pivot never took effect, and the pivot never will', async () => {
    const fakes = fakeParticipants({ 'accounts.captureFunds': isAway });
    const order = anOrder(littleTime());
    expect((await runOrder(fakes, { order })).outcome).toBe('compensated');
    expect(statesOf(fakes, order)).toEqual(['undone', 'undone', 'undone', 'empty']);
  });

  it('is undone when its time is over, with that as the reason', async () => {
    const fakes = fakeParticipants({ acquireLock: isHeld });
    const order = anOrder({ deadlineAt: Date.now() + 3_000, undoBudgetMs: 2_000 });
    const result = await runOrder(fakes, { order });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { step: null } });
    expect(fakes.calls).toEqual(['accounts.sealBranch', ...undos]);
  });
});

describe('a cancel', () => {
  it.each(acts.slice(0, 3))('asked while %s is under way takes everything back', async (step) => {
    const waits = gate();
    const fakes = fakeParticipants({ [step]: waits.answer });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await waits.reached;
        const asked = cancel(handle);
        await updateAccepted(handle);
        waits.open();
        expect((await asked).state).toMatch(/undoing|compensated/);
      },
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
    expect(statesOf(fakes, order)).not.toContain('acted');
  });

  it('is refused after the pivot, and the order completes', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'inventory.confirmStock': waits.answer });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await waits.reached;
        const asked = cancel(handle);
        expect(await refusalOf(asked)).toBe('PastPivot');
        waits.open();
      },
    });
    expect(result.outcome).toBe('completed');
  });

  it('asked while the pivot is under way is answered by the pivot', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'accounts.captureFunds': waits.answer });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await waits.reached;
        const asked = cancel(handle);
        const refusal = refusalOf(asked);
        await updateAccepted(handle);
        waits.open();
        expect(await refusal).toBe('PastPivot');
      },
    });
    expect(result.outcome).toBe('completed');
  });

  it('by Temporal itself undoes before the pivot', async () => {
    const waits = gate();
    // While a local call is under way no message arrives, so a cancel reaches a remote one alone.
    const remote: Answer = (delivery) =>
      delivery.call === 1 ? isAway(delivery) : waits.answer(delivery);
    const fakes = fakeParticipants({ 'orders.createOrder': remote });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await waits.reached;
        await handle.cancel();
        waits.open();
      },
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Cancelled' } });
  });

  it('by Temporal itself is noted and ignored after the pivot', async () => {
    const waits = gate();
    const fakes = fakeParticipants({ 'inventory.confirmStock': waits.answer });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await waits.reached;
        await handle.cancel();
        await eventually(async () => (await handle.query(timelineQuery)).notes.length > 0);
        waits.open();
      },
    });
    expect(result.outcome).toBe('completed');
    expect(fakes.calls).not.toContain('inventory.releaseStock');
  });
});

describe('an undo that fails', () => {
  const refusedOrder = (answers: Record<string, Answer>) =>
    fakeParticipants({ 'accounts.captureFunds': refuses('AccountUnavailable'), ...answers });

  it('is tried again after transient failures, and nobody is asked', async () => {
    const fakes = refusedOrder({ 'accounts.releaseFunds': first(5, isAway) });
    const order = anOrder();
    expect((await runOrder(fakes, { order })).outcome).toBe('compensated');
    expect(fakes.moves.map(({ to }) => to)).toEqual(['undoing']);
    expect(statesOf(fakes, order)).toEqual(['undone', 'undone', 'undone', 'refused']);
  });

  it('from the list parks after the others were undone, and goes on by a retry', async () => {
    const fakes = refusedOrder({
      'accounts.releaseFunds': first(1, fails('InvariantBroken', 'Hold gone.')),
    });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        const timeline = await parkedAt(handle, 'holdFunds');
        expect(timeline).toMatchObject({
          state: 'parked',
          parked: [
            { step: 'holdFunds', reason: 'invariant_broken', detail: 'Hold gone.', failures: 1 },
          ],
          atRisk: [{ kind: 'hold', currency: 'EUR', minorUnits: 1_250 }],
        });
        expect(fakes.stateOf(order.gid, 'reserveStock')).toBe('undone');
        await decide(handle, 'holdFunds', 'retry', false);
      },
    });
    expect(result.outcome).toBe('compensated');
    expect(statesOf(fakes, order)).toEqual(['undone', 'undone', 'undone', 'refused']);
    expect(fakes.moves.map(({ to }) => to)).toEqual(['undoing', 'parked', 'undoing']);
  });

  it.each(['done', 'skip'] as const)(
    'is resolved by hand by the decision %s, with evidence',
    async (decision) => {
      const fakes = refusedOrder({ 'inventory.releaseStock': fails('InvariantBroken') });
      const result = await runOrder(fakes, {
        meanwhile: async (handle) => {
          await parkedAt(handle, 'reserveStock');
          expect(await refusalOf(decide(handle, 'reserveStock', decision, false))).toBe(
            'BadDecision',
          );
          await decide(handle, 'reserveStock', decision);
        },
      });
      expect(result.outcome).toBe('compensated');
      expect(result.steps.find(({ name }) => name === 'reserveStock')?.state).toBe(
        decision === 'skip' ? 'skipped' : 'doneByHand',
      );
    },
  );

  it('that two persons skipped ends as what it is: with who, evidence, and what is still held', async () => {
    const fakes = refusedOrder({ 'accounts.releaseFunds': fails('InvariantBroken') });
    const consent = { kind: 'approved', by: 'bob', approval: '01M' } as const;
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'holdFunds');
        await decide(handle, 'holdFunds', 'skip', true, consent);
      },
    });
    const held = [{ kind: 'hold', currency: 'EUR', minorUnits: 1_250 }];
    const [resolution] = result.resolvedByHand ?? [];
    expect(resolution).toMatchObject({
      step: 'holdFunds',
      branch: 'holdFunds',
      decision: 'skip',
      by: actor.subject,
      consent,
      evidence: { kind: 'ticket', ref: 'OPS-1' },
      amounts: held,
    });
    const [ended] = fakes.endings;
    expect(ended?.resolvedByHand).toEqual([resolution]);
    const told = JSON.parse(ended?.ending ?? '{}') as Record<string, unknown>;
    expect(told).toMatchObject({
      state: 'compensated',
      resolvedByHand: [resolution],
      atRisk: held,
      reason: {
        code: 'account_unavailable',
        detail: expect.stringContaining(
          `${actor.subject} skipped holdFunds (ticket OPS-1), approved by bob; still held: 12.50 EUR.`,
        ),
      },
    });
  });

  it('that was done by hand names what was claimed, and leaves nothing at risk', async () => {
    const fakes = refusedOrder({ 'accounts.releaseFunds': fails('InvariantBroken') });
    await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'holdFunds');
        await decide(handle, 'holdFunds', 'done');
      },
    });
    expect(JSON.parse(fakes.endings[0]?.ending ?? '{}')).toMatchObject({
      resolvedByHand: [
        {
          decision: 'done',
          consent: null,
          amounts: [{ kind: 'hold', currency: 'EUR', minorUnits: 1_250 }],
        },
      ],
      atRisk: [],
      reason: { detail: expect.stringContaining('claimed: 12.50 EUR.') },
    });
  });

  it('that was skipped stays at risk while another step is still parked', async () => {
    const fakes = refusedOrder({
      'accounts.releaseFunds': fails('InvariantBroken'),
      'inventory.releaseStock': first(1, fails('InvariantBroken')),
    });
    await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'holdFunds');
        await parkedAt(handle, 'reserveStock');
        await decide(handle, 'holdFunds', 'skip');
        const { atRisk } = await handle.query(timelineQuery);
        expect(atRisk).toContainEqual({ kind: 'hold', currency: 'EUR', minorUnits: 1_250 });
        await decide(handle, 'reserveStock', 'retry');
      },
    });
    expect(fakes.endings).toHaveLength(1);
  });

  it.each([
    [undefined, ''],
    [{ kind: 'approved', by: 'bob', approval: '01M' }, ', approved by bob'],
    [{ kind: 'brokenGlass', reason: 'No one else.' }, ', alone, with broken glass: No one else'],
  ] as const)('tells who has decided, and who else: %j', async (consent, told) => {
    const fakes = refusedOrder({ 'inventory.releaseStock': fails('InvariantBroken') });
    await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'reserveStock');
        await decide(handle, 'reserveStock', 'skip', true, consent);
        const { notes } = await handle.query(timelineQuery);
        expect(notes.map(({ text }) => text)).toEqual([
          `${actor.subject} decided on reserveStock: skip (ticket OPS-1)${told}.`,
        ]);
      },
    });
  });

  it('is decided once under one name, and whether it was is known ever after', async () => {
    const order = anOrder();
    const fakes = refusedOrder({ 'inventory.releaseStock': first(1, fails('InvariantBroken')) });
    const temporal = createTemporal(tests.client(), () => tests.taskQueue);
    const { gid } = order;
    const decision = { step: 'reserveStock', decision: 'retry', actor, evidence: null } as const;
    expect(await temporal.wasDecided(gid, 'approval/1')).toBe(false);
    await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await parkedAt(handle, 'reserveStock');
        expect(await temporal.wasDecided(gid, 'approval/1')).toBe(false);
        await Promise.all([1, 2].map(() => temporal.resolve(gid, decision, 'approval/1')));
        expect(await temporal.wasDecided(gid, 'approval/1')).toBe(true);
      },
    });
    expect(fakes.calls.filter((call) => call === 'inventory.releaseStock')).toHaveLength(2);
    expect(await temporal.wasDecided(gid, 'approval/1')).toBe(true);
    expect(await temporal.wasDecided(gid, 'approval/2')).toBe(false);
  });

  it('takes no decision on another step, and none while nothing is parked', async () => {
    const waits = gate();
    const fakes = refusedOrder({
      'orders.cancelOrder': waits.answer,
      'inventory.releaseStock': first(1, fails('InvariantBroken')),
    });
    await runOrder(fakes, {
      meanwhile: async (handle) => {
        await waits.reached;
        expect(await refusalOf(decide(handle, 'reserveStock', 'retry'))).toBe('NotParked');
        waits.open();
        await parkedAt(handle, 'reserveStock');
        expect(await refusalOf(decide(handle, 'holdFunds', 'retry'))).toBe('BadDecision');
        await decide(handle, 'reserveStock', 'retry');
      },
    });
    expect(fakes.endings).toHaveLength(1);
  });

  it('that is stuck can be parked by an operator and decided by hand', async () => {
    const fakes = refusedOrder({ 'accounts.releaseFunds': isAway });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await eventually(
          () => fakes.calls.filter((call) => call === 'accounts.releaseFunds').length > 2,
        );
        await handle.executeUpdate(parkTransactionUpdate, {
          args: [{ step: 'holdFunds', actor, note: 'Bank is down.' }],
        });
        const timeline = await parkedAt(handle, 'holdFunds');
        expect(timeline.parked).toMatchObject([{ reason: 'operator' }]);
        await decide(handle, 'holdFunds', 'done');
      },
    });
    expect(result.outcome).toBe('compensated');
    expect(fakes.calls).toContain('inventory.releaseStock');
  });
});

describe('what has befallen a step is told also once it has succeeded', () => {
  const stepOf = ({ steps }: Pick<TransactionResult, 'steps'>, name: string) =>
    steps.find((step) => step.name === name);
  const broken = (detail: string) => ({
    ...({ reason: 'invariant_broken', failure: 'InvariantBroken', detail } as const),
    lastDecision: { decision: 'retry', by: actor.subject, at: expect.any(Number) },
  });

  it('that it was parked, with what failure, how often, and who retried: while it runs and in its ending', async () => {
    const waits = gate();
    const fakes = fakeParticipants({
      'inventory.confirmStock': first(2, fails('InvariantBroken', 'No such row.')),
      'orders.completeOrder': waits.answer,
    });
    const parking = { ...broken('No such row.'), times: 2 };
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        const once = await parkedAt(handle, 'confirmStock');
        expect(stepOf(once, 'confirmStock')?.parking).toMatchObject({
          times: 1,
          lastDecision: null,
        });
        await decide(handle, 'confirmStock', 'retry', false);
        await eventually(
          async () => (await parkedAt(handle, 'confirmStock')).parked[0]?.failures === 2,
        );
        await decide(handle, 'confirmStock', 'retry', false);
        await waits.reached;
        const timeline = await handle.query(timelineQuery);
        expect(stepOf(timeline, 'confirmStock')).toMatchObject({ state: 'done', parking });
        waits.open();
      },
    });
    const step = { state: 'done', failure: null, calls: [{ attempts: 3 }] };
    expect(stepOf(result, 'confirmStock')).toMatchObject({ ...step, parking });
    const { firstAt = 0, lastAt = 0 } = stepOf(result, 'confirmStock')?.parking ?? {};
    expect(firstAt).toBeLessThan(lastAt);
    expect(JSON.parse(fakes.endings[0]?.ending ?? '{}')).toMatchObject({
      steps: expect.arrayContaining([
        expect.objectContaining({
          name: 'confirmStock',
          parking: expect.objectContaining({
            ...{ times: 2, failure: 'InvariantBroken' },
            lastDecision: expect.objectContaining({ by: actor.subject }),
          }),
        }),
      ]),
    });
  });

  it('how its act failed, where its undo has failed as well', async () => {
    const fakes = fakeParticipants({
      'accounts.holdFunds': fails('IdempotencyConflict', 'Another amount.'),
      'accounts.releaseFunds': first(1, fails('InvariantBroken', 'Hold gone.')),
    });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'holdFunds');
        await decide(handle, 'holdFunds', 'retry', false);
      },
    });
    expect(stepOf(result, 'holdFunds')).toMatchObject({
      ...{ state: 'undone', failure: 'IdempotencyConflict', detail: 'Another amount.' },
      parking: { ...broken('Hold gone.'), times: 1 },
    });
  });

  it('that an undo has failed whose act had not', async () => {
    const fakes = fakeParticipants({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'accounts.releaseFunds': first(1, fails('InvariantBroken', 'Hold gone.')),
    });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'holdFunds');
        await decide(handle, 'holdFunds', 'retry', false);
      },
    });
    expect(stepOf(result, 'holdFunds')).toMatchObject({
      ...{ state: 'undone', failure: null, parking: { ...broken('Hold gone.'), times: 1 } },
    });
  });

  it('that nobody could say whether its pivot had happened, and that it was asked again', async () => {
    const fakes = fakeParticipants({
      'orders.createOrder': fails('InvariantBroken', 'Two orders.'),
      'accounts.sealBranch': first(1, fails('InvariantBroken', 'Nobody knows.')),
    });
    const seal = 'seal-captureFunds';
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, seal);
        await decide(handle, seal, 'retry', false);
        await parkedAt(handle, 'createOrder');
        await decide(handle, 'createOrder', 'done');
      },
    });
    expect(stepOf(result, seal)).toMatchObject({
      ...{ state: 'done', failure: null, parking: { ...broken('Nobody knows.'), times: 1 } },
    });
  });

  it('how often it was tried before a person answered for it', async () => {
    const fakes = fakeParticipants({
      'inventory.confirmStock': fails('InvariantBroken', 'No such row.'),
    });
    const result = await runOrder(fakes, {
      meanwhile: async (handle) => {
        await parkedAt(handle, 'confirmStock');
        await decide(handle, 'confirmStock', 'retry', false);
        await eventually(
          async () => (await parkedAt(handle, 'confirmStock')).parked[0]?.failures === 2,
        );
        await decide(handle, 'confirmStock', 'done');
      },
    });
    expect(stepOf(result, 'confirmStock')).toMatchObject({
      ...{ state: 'doneByHand', failure: 'InvariantBroken', calls: [{ attempts: 2 }] },
      parking: { times: 2, lastDecision: { decision: 'done', by: actor.subject } },
    });
  });

  it('how a call without an answer failed last, where a later one was answered', async () => {
    const fakes = fakeParticipants({ 'accounts.captureFunds': losesAnswerUntilSealed });
    const result = await runOrder(fakes, { order: anOrder(littleTime()) });
    expect(stepOf(result, 'captureFunds')).toMatchObject({
      ...{ state: 'done', failure: null },
      calls: [{ attempts: null, lastFailure: 'unknown', text: 'The answer was lost.' }],
    });
  });
});

describe('a step after the pivot', () => {
  it('is tried again after transient failures', async () => {
    const fakes = fakeParticipants({ 'orders.completeOrder': first(4, isAway) });
    expect((await runOrder(fakes)).outcome).toBe('completed');
  });

  it.each(['retry', 'done', 'skip'] as const)(
    'parks on a failure from the list and goes on by %s',
    async (decision) => {
      const fakes = fakeParticipants({
        'inventory.confirmStock': first(1, fails('InvariantBroken')),
      });
      const result = await runOrder(fakes, {
        meanwhile: async (handle) => {
          const timeline = await parkedAt(handle, 'confirmStock');
          expect(timeline.pivotPassed).toBe(true);
          expect(await refusalOf(cancel(handle))).toBe('PastPivot');
          await decide(handle, 'confirmStock', decision);
        },
      });
      expect(result.outcome).toBe('completed');
      expect(fakes.calls.at(-1)).toBe('orders.completeOrder');
    },
  );

  it('that was skipped completes with a reason, and names what the step that it confirms has set aside', async () => {
    const fakes = fakeParticipants({ 'inventory.confirmStock': fails('InvariantBroken') });
    const order = anOrder();
    await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await parkedAt(handle, 'confirmStock');
        await decide(handle, 'confirmStock', 'skip');
      },
    });
    const pieces = order.lines.map(({ sku, quantity }) => ({ kind: 'stock', sku, quantity }));
    expect(JSON.parse(fakes.endings[0]?.ending ?? '{}')).toMatchObject({
      state: 'completed',
      reason: { code: 'resolved_by_hand', step: 'confirmStock' },
      resolvedByHand: [{ step: 'confirmStock', branch: 'reserveStock', amounts: pieces }],
      atRisk: pieces,
    });
  });
});

describe('the fence speaks', () => {
  it('and an act that was fenced finishes the undo without failing the run', async () => {
    const fakes = fakeParticipants({
      'orders.createOrder': fails('Fenced', 'Its undo came first.'),
    });
    const order = anOrder();
    const result = await runOrder(fakes, { order });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'Fenced' } });
    expect(statesOf(fakes, order).slice(0, 2)).toEqual(['undone', 'undone']);
  });

  it('and a conflict of content is undone after the seal', async () => {
    const fakes = fakeParticipants({ 'accounts.holdFunds': fails('IdempotencyConflict') });
    const result = await runOrder(fakes);
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: 'IdempotencyConflict' },
    });
    expect(fakes.calls).toContain('accounts.sealBranch');
  });

  it('and a pivot that found an invariant broken is undone, then parked for a person to look at', async () => {
    const fakes = fakeParticipants({
      'accounts.captureFunds': fails('InvariantBroken', 'No hold.'),
    });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        const timeline = await parkedAt(handle, 'captureFunds');
        expect(timeline.parked).toMatchObject([{ reason: 'invariant_broken', detail: 'No hold.' }]);
        expect(statesOf(fakes, order)).toEqual(['undone', 'undone', 'undone', 'empty']);
        await decide(handle, 'captureFunds', 'done');
      },
    });
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'InvariantBroken' } });
  });

  it('and a lost lock is taken again, at most three times', async () => {
    const once = fakeParticipants({ 'orders.createOrder': first(1, fails('LockLost')) });
    expect((await runOrder(once)).outcome).toBe('completed');
    expect(once.lockCalls.filter((call) => call === 'acquireLock')).toHaveLength(2);

    const always = fakeParticipants({ 'orders.createOrder': fails('LockLost') });
    const result = await runOrder(always);
    expect(result).toMatchObject({ outcome: 'compensated', reason: { type: 'LockLost' } });
    expect(always.lockCalls.filter((call) => call === 'acquireLock')).toHaveLength(4);
  });

  it('and a second, different ending fails the run: a person must look', async () => {
    const fakes = fakeParticipants({
      'accord.endRun': fails('InvariantBroken', 'It is compensated already.'),
    });
    await expect(runOrder(fakes)).rejects.toMatchObject({
      cause: { type: 'InvariantBroken' },
    });
  });
});

describe('a run that was reset to before its pivot', () => {
  it('after it completed, completes again without a second effect', async () => {
    const fakes = fakeParticipants();
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await handle.result();
        await runs.reset(handle);
      },
    });
    expect(result.outcome).toBe('completed');
    expect(fakes.endings).toHaveLength(1);
  });

  it('after it completed, and with its time over, still completes', async () => {
    const fakes = fakeParticipants();
    const order = anOrder(littleTime());
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await handle.result();
        await eventually(() => Date.now() > order.deadlineAt, { withinMs: 15_000 });
        await runs.reset(handle);
      },
    });
    expect(result.outcome).toBe('completed');
    expect(fakes.calls).not.toContain('inventory.releaseStock');
    expect(fakes.endings).toHaveLength(1);
  });

  it('after it was compensated, is compensated again', async () => {
    const fakes = fakeParticipants({ 'accounts.captureFunds': refuses('AccountUnavailable') });
    const order = anOrder();
    const result = await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await handle.result();
        fakes.on('accounts.captureFunds', ({ proceed }) => proceed());
        await runs.reset(handle);
      },
    });
    expect(result.outcome).toBe('compensated');
    expect(fakes.endings).toHaveLength(1);
  });
});

describe('two coordinators of one transaction', () => {
  it.each(acts)('come to one ending when the second starts at %s', async (step) => {
    const waits = gate();
    const fakes = fakeParticipants({ [step]: waits.answer });
    const order = anOrder();
    await runOrder(fakes, {
      order,
      meanwhile: async (handle) => {
        await waits.reached;
        fakes.on(step, ({ proceed }) => proceed());
        const second = await runs.start(order, `recover-${order.gid}`);
        await handle.cancel();
        waits.open();
        const endings = await Promise.all([handle.result(), second.result()]);
        expect(new Set(endings.map(({ outcome }) => outcome)).size).toBe(1);
      },
    });
    expect(fakes.endings).toHaveLength(1);
    expect(sidesOf(fakes, order)).toHaveLength(1);
  });
});
