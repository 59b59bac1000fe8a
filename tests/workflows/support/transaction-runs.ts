import { workflowTaskTimeout } from '../../../contracts/engine/task-queues';
import { shop } from '../../../contracts/shop';
import type { WorkflowHandle } from '@temporalio/client';

import type { Gid } from '../../../contracts/engine/ids';
import type { TransactionInput, TransactionResult } from '../../../contracts/engine/transaction';
import type { FakeParticipants } from './fake-participants';
import type { workflowTests } from './transaction-worker';

type TransactionWorkflow = (input: TransactionInput) => Promise<TransactionResult>;
export type TransactionHandle = WorkflowHandle<TransactionWorkflow>;

const orderBranches = ['reserveStock', 'holdFunds', 'createOrder', 'captureFunds'] as const;

/** The states of a transaction's branches in the fence, those of an order unless others are named. */
export const statesOf = (
  fakes: FakeParticipants,
  { gid }: { readonly gid: Gid },
  branches: readonly string[] = orderBranches,
) => branches.map((branch) => fakes.stateOf(gid, branch));

/** Forward or back: every branch of one transaction must be on the same side. */
export const sidesOf = (...args: Parameters<typeof statesOf>) => [
  ...new Set(
    statesOf(...args).map((state) =>
      state === 'acted' || state === 'confirmed' ? 'forward' : 'back',
    ),
  ),
];

/** Runs of any flow on the worker of one test file. */
export function transactionRuns(tests: ReturnType<typeof workflowTests>) {
  const runs = {
    start: (
      input: TransactionInput,
      workflowId = input.gid,
      type = shop.workflowOf(input.flow),
    ): Promise<TransactionHandle> =>
      tests.client().workflow.start<TransactionWorkflow>(type, {
        workflowId,
        taskQueue: tests.taskQueue,
        args: [input],
        workflowTaskTimeout,
      }),

    /** A reset makes a new run of the same id. */
    newest: ({ gid }: TransactionInput): TransactionHandle =>
      tests.client().workflow.getHandle(gid),

    /** Lives the run again from its first workflow task. */
    async reset(handle: TransactionHandle): Promise<void> {
      const { events } = await handle.fetchHistory();
      const task = events?.find((event) => event.workflowTaskCompletedEventAttributes);
      await tests.client().workflowService.resetWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId: handle.workflowId },
        workflowTaskFinishEventId: task?.eventId ?? null,
        reason: 'test',
        requestId: `${handle.workflowId}-reset`,
      });
    },

    /** Runs one transaction to its ending; `meanwhile` steers it. */
    async run(
      fakes: FakeParticipants,
      input: TransactionInput,
      meanwhile: (handle: TransactionHandle) => Promise<unknown> = () => Promise.resolve(),
    ): Promise<TransactionResult> {
      tests.cast(input.gid, fakes);
      await meanwhile(await runs.start(input));
      return runs.newest(input).result();
    },
  };
  return runs;
}
