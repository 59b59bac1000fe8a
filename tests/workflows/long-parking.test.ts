import { WorkflowUpdateFailedError } from '@temporalio/client';
import { describe, expect, it } from '@jest/globals';

import { createTemporal } from '../../api/temporal';
import { timelineQuery } from '../../contracts/transaction';
import { eventually } from '../support/eventually';
import { anOrder } from './support/builders';
import { fails, fakeParticipants, refuses, type Answer } from './support/fake-participants';
import { actor, decide, parkedAt } from './support/steering';
import type { TransactionHandle } from './support/transaction-runs';
import { statesOf, transactionRuns } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

/** More than a run has room for: Temporal suggests a new one at 4,096 events, and a retry costs about a dozen. */
const enoughRetries = 1_000;

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

/** A decision that meets the change from one run to the next is refused, and nothing has come of it: it is sent again. */
const wasTaken = (decision: Promise<unknown>): Promise<boolean> =>
  decision.then(
    () => true,
    (error: unknown) => {
      if (error instanceof WorkflowUpdateFailedError) return false;
      throw error;
    },
  );

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
      expect(await retryUntilContinued(handle, 'completeOrder')).toBeLessThan(enoughRetries);
      await parkedAt(runs.newest(order), 'completeOrder');
      confirm.mend();
      await decide(runs.newest(order), 'completeOrder', 'retry', false);
    });
    expect(result.outcome).toBe('completed');
    expect(statesOf(fakes, order)).toEqual(['confirmed', 'confirmed', 'confirmed', 'acted']);
  }, 590_000);
});
