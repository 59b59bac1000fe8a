import { describe, expect, it } from '@jest/globals';

import { timelineQuery, type TransactionInput } from '../../contracts/engine/transaction';
import { bundleWorkflows } from '../../scripts/bundle-workflows';
import { replayRuns } from '../../testing/replay/runs';
import { searchAttributes } from '../../contracts/engine/search-attributes';
import { callsIn } from '../../testing/replay/calls';
import { fetchHistory } from '../../testing/replay/sources';
import { aCheckout, aTransfer } from './support/builders';
import { fakeParticipants, first, isAway, isOdd, losesAnswer } from './support/fake-participants';
import { called, gate } from './support/steering';
import { statesOf, transactionRuns, type TransactionHandle } from './support/transaction-runs';
import { workflowTests } from './support/transaction-worker';

const tests = workflowTests();
const runs = transactionRuns(tests);

const branches = ['debit', 'credit', 'decide'];

const historyOf = async ({ gid }: TransactionInput) =>
  (await fetchHistory(tests.client(), gid)).history;

/** The calls that went as remote activities. */
const remoteCallsOf = async (input: TransactionInput): Promise<readonly string[]> =>
  callsIn(await historyOf(input)).flatMap(({ isLocal, activity }) => (isLocal ? [] : activity));

async function shownBy(handle: TransactionHandle) {
  const { typedSearchAttributes } = await handle.describe();
  const { state, step } = searchAttributes;
  return { state: typedSearchAttributes.get(state), step: typedSearchAttributes.get(step) };
}

describe('the calls of a transaction', () => {
  it('are local while every participant answers: its history has no activity, and one workflow task', async () => {
    const input = aTransfer();
    expect((await runs.run(fakeParticipants(), input)).outcome).toBe('completed');
    const { events } = await historyOf(input);
    expect(events.filter((event) => event.activityTaskScheduledEventAttributes)).toEqual([]);
    expect(events.filter((event) => event.workflowTaskCompletedEventAttributes)).toHaveLength(1);
  });

  it('go remote one by one: a call without an answer, and none beside it', async () => {
    const fakes = fakeParticipants({ 'accounts.reserveCredit': first(1, isAway) });
    const input = aTransfer();
    const result = await runs.run(fakes, input);
    expect(result.outcome).toBe('completed');
    expect(await remoteCallsOf(input)).toEqual(['accounts.reserveCredit']);
    const step = result.steps.find(({ name }) => name === 'credit');
    expect(step?.calls).toMatchObject([{ attempts: 2, lastFailure: 'unknown' }]);
  });

  it('have one effect when the answer of the local attempt is lost', async () => {
    const fakes = fakeParticipants({ 'accounts.reserveDebit': first(1, losesAnswer) });
    const input = aTransfer();
    expect((await runs.run(fakes, input)).outcome).toBe('completed');
    expect(statesOf(fakes, input, branches)).toEqual(['confirmed', 'confirmed', 'acted']);
    expect(await remoteCallsOf(input)).toEqual(['accounts.reserveDebit']);
  });

  it('go remote when a local attempt hangs, and what it does in the end is a repetition', async () => {
    const hanging = gate();
    const fakes = fakeParticipants({ 'accounts.reserveDebit': first(1, hanging.answer) });
    const input = aTransfer();
    const result = await runs.run(fakes, input, async () => {
      await called(fakes, 'accounts.reserveDebit', 2);
      hanging.open();
    });
    expect(result.outcome).toBe('completed');
    expect(statesOf(fakes, input, branches)).toEqual(['confirmed', 'confirmed', 'acted']);
  });

  it('are undone when the deadline comes while a local attempt hangs', async () => {
    const hanging = gate();
    const fakes = fakeParticipants({ 'accounts.reserveDebit': hanging.answer });
    const input = aTransfer({ deadlineAt: Date.now() + 4_000, undoBudgetMs: 3_000 });
    const result = await runs.run(fakes, input);
    hanging.open();
    expect(result).toMatchObject({
      outcome: 'compensated',
      reason: { type: expect.stringMatching(/^(StepExhausted|DeadlineExceeded)$/) }, // Both end at one moment.
    });
    expect(statesOf(fakes, input, branches)).not.toContain('acted');
    expect(statesOf(fakes, input, branches)).not.toContain('confirmed');
  });

  it('are not repeated remotely when the local attempt has failed for good', async () => {
    const fakes = fakeParticipants({ 'accounts.reserveCredit': isOdd });
    const input = aTransfer();
    expect((await runs.run(fakes, input)).outcome).toBe('compensated');
    expect(await remoteCallsOf(input)).not.toContain('accounts.reserveCredit');
  });

  it('show the step that is tried remotely, and no step that is not', async () => {
    const away = gate();
    const fakes = fakeParticipants({
      'accounts.reserveCredit': (delivery) =>
        delivery.call === 1 ? isAway(delivery) : away.answer(delivery),
    });
    const input = aTransfer();
    await runs.run(fakes, input, async (handle) => {
      await away.reached;
      expect((await handle.query(timelineQuery)).step).toBe('credit');
      expect(await shownBy(handle)).toEqual({ state: 'running', step: 'credit' });
      away.open();
    });
    expect(await shownBy(runs.newest(input))).toEqual({ state: 'completed', step: undefined });
  });

  it('leave no stack trace, which costs a quarter of the workflow threads', async () => {
    const away = gate();
    const fakes = fakeParticipants({
      'accounts.reserveCredit': (delivery) =>
        delivery.call === 1 ? isAway(delivery) : away.answer(delivery),
    });
    await runs.run(fakes, aTransfer(), async (handle) => {
      await away.reached;
      expect(await handle.query('__stack_trace')).not.toMatch(/ at /);
      away.open();
    });
  });

  it('replay in whatever order they have ended', async () => {
    const tries = ['inventory.reserveStock', 'accounts.reserveDebit', 'coupons.reserveCoupon'];
    const gates = tries.map((activity) => ({ activity, ...gate() }));
    const fakes = fakeParticipants(
      Object.fromEntries(gates.map(({ activity, answer }) => [activity, answer])),
    );
    const input = aCheckout();
    await runs.run(fakes, input, async () => {
      for (const { reached, open } of [...gates].reverse()) {
        await reached;
        open();
      }
    });
    const { replayed, failures } = await replayRuns({
      client: tests.client(),
      runs: [input.gid],
      bundlePath: await bundleWorkflows('workflows/index.ts', 'dist/test-bundles/local.js'),
      say: () => undefined,
    });
    expect({ replayed, failures }).toEqual({ replayed: 1, failures: [] });
  });
});
