import { CancellationScope, isCancellation } from '@temporalio/workflow';

import type { OrderSagaInput } from '../../../contracts/order-saga';
import type { TransactionResult } from '../../../contracts/transaction';
import { createCoalescingLane } from '../../../workflows/batch/coalescing-lane';
import { coordinate } from '../../../workflows/kernel/coordinator';
import { createKernel } from '../../../workflows/kernel/kernel';
import { createRun } from '../../../workflows/kernel/run';
import type { Story } from '../../../workflows/kernel/story';
import { orderStory } from '../../../workflows/order-saga';

/** Many orders in one workflow: the story of the single lane, unchanged, behind the coalescing facade. */
export async function orderBatch(
  orders: readonly OrderSagaInput[],
): Promise<readonly TransactionResult[]> {
  return runBatch(orders, orderStory);
}

export async function runBatch(
  orders: readonly OrderSagaInput[],
  story: Story<OrderSagaInput>,
): Promise<readonly TransactionResult[]> {
  const lane = createCoalescingLane();
  const flusher = new CancellationScope();
  flusher
    .run(() => lane.flush())
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  const results = await Promise.all(
    orders.map((order) => {
      const run = createRun(order, { now: Date.now, wasReset: false });
      return coordinate(createKernel(run, lane, story), story, order);
    }),
  );
  flusher.cancel();
  return results;
}
