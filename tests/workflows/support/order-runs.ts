import type { WorkflowHandle } from '@temporalio/client';

import type { OrderSagaInput } from '../../../contracts/order-saga';
import type { TransactionResult } from '../../../contracts/transaction';
import type { FakeParticipants } from './fake-participants';
import type { workflowTests } from './transaction-worker';

export type OrderHandle = WorkflowHandle<(input: OrderSagaInput) => Promise<TransactionResult>>;

export const orderBranches = ['reserveStock', 'holdFunds', 'createOrder', 'captureFunds'] as const;

/** The states of an order's branches in the fence. */
export const statesOf = (fakes: FakeParticipants, { gid }: OrderSagaInput) =>
  orderBranches.map((branch) => fakes.stateOf(gid, branch));

/** Runs of the order saga on the worker of one test file. */
export function orderRuns(tests: ReturnType<typeof workflowTests>) {
  return {
    start: (
      order: OrderSagaInput,
      workflowId = order.gid,
      type = 'orderSaga',
    ): Promise<OrderHandle> =>
      tests.client().workflow.start<(input: OrderSagaInput) => Promise<TransactionResult>>(type, {
        workflowId,
        taskQueue: tests.taskQueue,
        args: [order],
      }),

    /** A reset makes a new run of the same id. */
    newest: ({ gid }: OrderSagaInput): OrderHandle => tests.client().workflow.getHandle(gid),

    /** Lives the run again from its first workflow task. */
    async reset(handle: OrderHandle): Promise<void> {
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
  };
}
