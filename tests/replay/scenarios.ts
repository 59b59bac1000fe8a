import type { WorkflowHandle } from '@temporalio/client';

import {
  cancelTransactionUpdate,
  parkTransactionUpdate,
  resolveTransactionUpdate,
  timelineQuery,
} from '../../contracts/transaction';
import type { Decision } from '../../contracts/transaction';
import { eventually } from '../support/eventually';
import type { Answer, FakeParticipants } from '../workflows/support/fake-participants';
import {
  fails,
  first,
  isAway,
  isHeld,
  losesAnswer,
  losesAnswerUntilSealed,
  refuses,
} from '../workflows/support/fake-participants';

/** One ending of one flow that is recorded from a real run, and replayed on today's code ever after. */
export interface Scenario {
  readonly name: string;
  readonly answers: Readonly<Record<string, Answer>>;
  /** Time until the acts must have ended; left out: plenty. */
  readonly actingMs?: number;
  /** Steers the run; the recording is made when it has ended. */
  readonly meanwhile?: (handle: WorkflowHandle, fakes: FakeParticipants) => Promise<unknown>;
}

const actor = { subject: 'olga@acme.example' };
const evidence = { kind: 'ticket', ref: 'OPS-1', note: null };

const parked = (handle: WorkflowHandle, step: string) =>
  eventually(async () => {
    const timeline = await handle.query(timelineQuery);
    return timeline.parked.some((each) => each.step === step);
  });

const resolved = (step: string, decision: Decision) => async (handle: WorkflowHandle) => {
  await parked(handle, step);
  await handle.executeUpdate(resolveTransactionUpdate, {
    args: [{ step, decision, actor, evidence: decision === 'retry' ? null : evidence }],
  });
};

const calledOften =
  (activity: string) =>
  (_handle: WorkflowHandle, { calls }: FakeParticipants) =>
    eventually(() => calls.filter((call) => call === activity).length > 1);

const cancelled = (activity: string) => async (handle: WorkflowHandle, fakes: FakeParticipants) => {
  await calledOften(activity)(handle, fakes);
  await handle.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
};

const declined = refuses('AccountUnavailable', 'acme.A-1 is closed.');

export const scenarios: readonly Scenario[] = [
  { name: 'order-completed', answers: {} },
  { name: 'order-lock-held', answers: { acquireLock: first(3, isHeld) } },
  { name: 'order-lock-lost', answers: { 'orders.createOrder': first(1, fails('LockLost')) } },
  {
    name: 'order-refused-reserve-stock',
    answers: { 'inventory.reserveStock': refuses('OutOfStock') },
  },
  {
    name: 'order-refused-hold-funds',
    answers: { 'accounts.holdFunds': refuses('InsufficientFunds') },
  },
  { name: 'order-refused-capture-funds', answers: { 'accounts.captureFunds': declined } },
  {
    name: 'order-retried',
    answers: { 'accounts.holdFunds': first(2, isAway), 'orders.completeOrder': first(2, isAway) },
  },
  {
    name: 'order-cancelled-reserve-stock-unknown',
    answers: { 'inventory.reserveStock': losesAnswer },
    meanwhile: cancelled('inventory.reserveStock'),
  },
  {
    name: 'order-cancelled-create-order-unknown',
    answers: { 'orders.createOrder': losesAnswer },
    meanwhile: cancelled('orders.createOrder'),
  },
  {
    name: 'order-cancelled-in-temporal',
    answers: { 'orders.createOrder': isAway },
    meanwhile: async (handle, fakes) => {
      await calledOften('orders.createOrder')(handle, fakes);
      await handle.cancel();
    },
  },
  { name: 'order-deadline-lock', answers: { acquireLock: isHeld }, actingMs: 1_000 },
  {
    name: 'order-deadline-pivot-never',
    answers: { 'accounts.captureFunds': isAway },
    actingMs: 5_000,
  },
  {
    name: 'order-deadline-pivot-happened',
    answers: { 'accounts.captureFunds': losesAnswerUntilSealed },
    actingMs: 5_000,
  },
  { name: 'order-fenced', answers: { 'orders.createOrder': fails('Fenced') } },
  { name: 'order-conflict', answers: { 'accounts.holdFunds': fails('IdempotencyConflict') } },
  ...(['retry', 'done', 'skip'] as const).flatMap((decision): readonly Scenario[] => [
    {
      name: `order-parked-undo-${decision}`,
      answers: {
        'accounts.captureFunds': declined,
        'accounts.releaseFunds': first(1, fails('InvariantBroken')),
      },
      meanwhile: resolved('holdFunds', decision),
    },
    {
      name: `order-parked-finish-${decision}`,
      answers: { 'inventory.confirmStock': first(1, fails('InvariantBroken')) },
      meanwhile: resolved('confirmStock', decision),
    },
  ]),
  {
    name: 'order-parked-pivot-broken',
    answers: { 'accounts.captureFunds': fails('InvariantBroken', 'No hold.') },
    meanwhile: resolved('captureFunds', 'done'),
  },
  {
    name: 'order-parked-by-operator',
    answers: { 'accounts.captureFunds': declined, 'accounts.releaseFunds': isAway },
    meanwhile: async (handle, fakes) => {
      await calledOften('accounts.releaseFunds')(handle, fakes);
      await handle.executeUpdate(parkTransactionUpdate, {
        args: [{ step: 'holdFunds', actor, note: 'The bank is down.' }],
      });
      await resolved('holdFunds', 'done')(handle);
    },
  },
  {
    name: 'order-reset-then-cancelled',
    answers: { 'orders.createOrder': isAway },
    meanwhile: async (handle, fakes) => {
      await calledOften('orders.createOrder')(handle, fakes);
      fakes.on('acquireLock', isAway);
      await resetToStart(handle);
      const newest = handle.client.getHandle(handle.workflowId);
      await newest.executeUpdate(cancelTransactionUpdate, { args: [{ actor, note: null }] });
    },
  },
  {
    name: 'order-reset-after-completion',
    answers: {},
    meanwhile: async (handle) => {
      await handle.result();
      await resetToStart(handle);
    },
  },
];

/** Lives the run again from its first workflow task. */
async function resetToStart(handle: WorkflowHandle): Promise<void> {
  const { workflowId, client } = handle;
  const { events } = await handle.fetchHistory();
  const task = events?.find((event) => event.workflowTaskCompletedEventAttributes);
  await client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    workflowTaskFinishEventId: task?.eventId ?? null,
    reason: 'recording',
    requestId: `${workflowId}-reset`,
  });
}
