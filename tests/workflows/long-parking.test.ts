import { WorkflowUpdateFailedError } from '@temporalio/client';
import { describe, expect, it } from '@jest/globals';

import { createTemporal } from '../../api/transactions/temporal';
import { timelineQuery } from '../../contracts/engine/transaction';
import { eventually } from '../support/eventually';
import { anOrder } from './support/builders';
import { fails, fakeParticipants, refuses, type Answer } from './support/fake-participants';
import { actor, cancel, decide, parkedAt } from './support/steering';
import type { TransactionHandle } from './support/transaction-runs';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

/** More than a run has room for: Temporal suggests a new one at 4,096 events, and a retry costs about a dozen. */
const enoughRetries = 1_000;

const sealOfCapture = 'seal-captureFunds';
const signalsAtOnce = 64;
/** Temporal suggests a new run at 4,096 events. */
const signalsEnough = 4_200;

/** Retries a parked step again and again, until the transaction goes on in another run. @returns how many it took. */
async function retryUntilContinued(handle: TransactionHandle, step: string): Promise<number> {
  const first = await runIdOf(handle);
  for (let retries = 0; retries < enoughRetries; retries += 1) {
    if ((await runIdOf(handle)) !== first) return retries;
    const failures = await parkedTimes(handle, step);
    if (!(await wasTaken(decide(handle, step, 'retry', false)))) continue;
    await eventually(async () => (await parkedTimes(handle, step)) > failures, {
      withinMs: 20_000,
      what: `${step} parked again`,
    });
  }
  return enoughRetries;
}

/** Between two looks a run may park again: a decision that nothing waits for is refused, and is sent again. */
const wasTaken = (decision: Promise<unknown>): Promise<boolean> =>
  decision.then(
    () => true,
    (error: unknown) => {
      if (error instanceof WorkflowUpdateFailedError) return false;
      throw error;
    },
  );

/** Fills the history of a run with signals that nobody reads. @returns once the transaction is in another run. */
async function fillUntilContinued(handle: TransactionHandle): Promise<void> {
  const first = await runIdOf(handle);
  for (let sent = 0; sent < signalsEnough; sent += signalsAtOnce) {
    await Promise.all(Array.from({ length: signalsAtOnce }, () => handle.signal('unread')));
    await handle.query(timelineQuery); // Temporal fails a workflow task, and its updates, behind which 100 of them wait.
  }
  // Only now: a run cannot close while messages reach it.
  await eventually(async () => (await runIdOf(handle)) !== first, {
    withinMs: 60_000,
    what: 'the next run',
  });
}

const runIdOf = async (handle: TransactionHandle): Promise<string> =>
  (await tests.client().workflow.getHandle(handle.workflowId).describe()).runId;

const parkedTimes = async (handle: TransactionHandle, step: string): Promise<number> => {
  const { parked } = await tests
    .client()
    .workflow.getHandle(handle.workflowId)
    .query(timelineQuery);
  return parked.find((one) => one.step === step)?.failures ?? 0;
};

/** Fails until the test has had enough. */
function switchable(): { readonly answer: Answer; mend(): void } {
  const broken = fails('InvariantBroken', 'Hold gone.');
  let isMended = false;
  return {
    answer: (delivery) => (isMended ? delivery.proceed() : broken(delivery)),
    mend: () => (isMended = true),
  };
}

describe('a step that is parked and retried for months', () => {
  it('goes on in a new run before its history is full: undone, with reason, decisions and approvals as they were', async () => {
    const release = switchable();
    const fakes = fakeParticipants({
      'accounts.captureFunds': refuses('AccountUnavailable'),
      'accounts.releaseFunds': release.answer,
      'inventory.releaseStock': fails('InvariantBroken'),
    });
    const order = anOrder();
    const temporal = createTemporal(tests.client(), () => tests.taskQueue);
    const result = await runs.run(fakes, order, async (handle) => {
      await parkedAt(handle, 'holdFunds');
      await parkedAt(handle, 'reserveStock');
      const consent = { kind: 'approved', by: 'bob', approval: '01M' } as const;
      const skip = {
        ...({ step: 'reserveStock', decision: 'skip', actor, consent } as const),
        evidence: { kind: 'ticket', ref: 'OPS-1', note: null },
      };
      await temporal.resolve(order.gid, skip, 'approval/01M');
      const moves = () => fakes.moves.length;
      const retries = await retryUntilContinued(handle, 'holdFunds');
      expect(retries).toBeLessThan(enoughRetries);
      const before = moves();
      const timeline = await runs.newest(order).query(timelineQuery);
      expect(timeline).toMatchObject({
        state: 'parked',
        parked: [{ step: 'holdFunds', reason: 'invariant_broken', detail: 'Hold gone.' }],
        reason: { code: 'account_unavailable' },
        resolvedByHand: [{ step: 'reserveStock', decision: 'skip' }],
      });
      expect(timeline.parked[0]?.failures).toBeGreaterThan(retries - 2);
      expect(moves()).toBe(before); // Nobody's look at the row grows old by it.
      expect(await temporal.wasDecided(order.gid, 'approval/01M')).toBe(true);
      expect(await temporal.wasDecided(order.gid, 'approval/02M')).toBe(false);
      release.mend();
      await decide(runs.newest(order), 'holdFunds', 'retry', false);
    });
    expect(result).toMatchObject({
      outcome: 'compensated',
      resolvedByHand: [{ step: 'reserveStock' }],
    });
    const { parking } = result.steps.find(({ name }) => name === 'holdFunds') ?? {};
    expect(parking).toMatchObject({
      ...{ failure: 'InvariantBroken', detail: 'Hold gone.' },
      lastDecision: { decision: 'retry', by: actor.subject },
    });
    expect(parking?.times).toBeGreaterThan(100);
    expect(parking?.firstAt).toBeLessThan(parking?.lastAt ?? 0);
    expect(statesOf(fakes, order, ['holdFunds', 'createOrder', 'captureFunds'])).toEqual([
      'undone',
      'undone',
      'refused',
    ]);
    expect(fakes.calls.filter((call) => call === 'orders.cancelOrder')).toHaveLength(1);
  }, 590_000);

  it('goes on in a new run after the pivot, too, and completes', async () => {
    const confirm = switchable();
    const fakes = fakeParticipants({ 'orders.completeOrder': confirm.answer });
    const order = anOrder();
    const result = await runs.run(fakes, order, async (handle) => {
      await parkedAt(handle, 'completeOrder');
      await fillUntilContinued(handle);
      await parkedAt(runs.newest(order), 'completeOrder');
      confirm.mend();
      await decide(runs.newest(order), 'completeOrder', 'retry', false);
    });
    expect(result.outcome).toBe('completed');
    expect(result.steps.find(({ name }) => name === 'completeOrder')).toMatchObject({
      failure: null,
      parking: { times: 1, detail: 'Hold gone.', lastDecision: { by: actor.subject } },
    });
    expect(statesOf(fakes, order)).toEqual(['confirmed', 'confirmed', 'confirmed', 'acted']);
  }, 590_000);

  it('goes on in a new run while nobody knows whether its pivot has happened, and is undone once it has not', async () => {
    const seal = switchable();
    const fakes = fakeParticipants({
      'orders.createOrder': fails('InvariantBroken', 'Two orders.'),
      'accounts.sealBranch': seal.answer,
    });
    const order = anOrder();
    const result = await runs.run(fakes, order, async (handle) => {
      await parkedAt(handle, sealOfCapture);
      const { state } = await cancel(handle); // Answered: nobody waits for months.
      expect(state).toBe('parked');
      await fillUntilContinued(handle);
      const timeline = await runs.newest(order).query(timelineQuery);
      expect(timeline).toMatchObject({
        state: 'parked',
        parked: [{ step: sealOfCapture, reason: 'invariant_broken', detail: 'Hold gone.' }],
      });
      seal.mend();
      await decide(runs.newest(order), sealOfCapture, 'retry', false);
      await parkedAt(runs.newest(order), 'createOrder');
      await decide(runs.newest(order), 'createOrder', 'skip');
    });
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { code: 'cancelled', detail: expect.stringContaining(actor.subject) },
      resolvedByHand: [{ step: 'createOrder', decision: 'skip' }],
    });
    expect(statesOf(fakes, order, ['reserveStock', 'holdFunds'])).toEqual(['undone', 'undone']);
    expect(fakes.calls.filter((call) => call === 'accounts.holdFunds')).toHaveLength(1);
  }, 120_000);

  it('goes on in a new run while nobody knows whether its pivot has happened, and completes once it has', async () => {
    const seal = switchable();
    const fakes = fakeParticipants({
      'accounts.captureFunds': ({ proceed, fail }) => {
        proceed();
        return fail('InvariantBroken', 'Nobody knows.');
      },
      'accounts.sealBranch': seal.answer,
    });
    const order = anOrder();
    const result = await runs.run(fakes, order, async (handle) => {
      await parkedAt(handle, sealOfCapture);
      await fillUntilContinued(handle);
      fakes.on('accounts.captureFunds', ({ proceed }) => proceed());
      seal.mend();
      await decide(runs.newest(order), sealOfCapture, 'retry', false);
    });
    expect(result.outcome).toBe('completed');
    expect(statesOf(fakes, order)).toEqual(['confirmed', 'confirmed', 'confirmed', 'acted']);
  }, 120_000);

  it.each([
    { answer: 'success', capture: undefined, outcome: 'completed' },
    { answer: 'refusal', capture: refuses('AccountUnavailable'), outcome: 'compensated' },
  ])(
    'goes on in a new run at a pivot that cannot be sealed, and ends by its answer: $answer',
    async ({ capture, outcome }) => {
      const fakes = fakeParticipants({ 'accounts.captureFunds': fails('IdempotencyConflict') });
      const order = anOrder();
      tests.cast(order.gid, fakes);
      const handle = await runs.start(order, order.gid, 'unsealedOrder');
      await parkedAt(handle, 'captureFunds');
      await fillUntilContinued(handle);
      fakes.on('accounts.captureFunds', capture ?? (({ proceed }) => proceed()));
      await decide(runs.newest(order), 'captureFunds', 'retry', false);
      expect(await runs.newest(order).result()).toMatchObject({ outcome });
      expect(fakes.stateOf(order.gid, 'holdFunds')).toBe(
        outcome === 'completed' ? 'confirmed' : 'undone',
      );
    },
    120_000,
  );
});
