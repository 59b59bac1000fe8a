import { CancellationScope, isCancellation } from '@temporalio/workflow';

import { order as orderFlow } from '../../../contracts/flows/order';
import type { OrderSagaInput } from '../../../contracts/flows/order';
import type { TransactionResult } from '../../../contracts/engine/transaction';
import { createCoalescingLane } from '../../../workflows/kernel/lanes/coalescing-lane';
import { coordinate } from '../../../workflows/kernel/coordinator';
import { executableOf } from '../../../workflows/kernel/flow';
import { createKernel } from '../../../workflows/kernel/kernel';
import { createRun } from '../../../workflows/kernel/run';
import { orderRun } from '../../../workflows/flows/order';
import { createClock } from '../../../workflows/kernel/clock';

/** Many orders in one workflow: the flow of the single lane, unchanged, behind the coalescing facade. */
export async function orderBatch(
  orders: readonly OrderSagaInput[],
): Promise<readonly TransactionResult[]> {
  return runBatch(orders, orderRun);
}

export async function runBatch(
  orders: readonly OrderSagaInput[],
  orderOf: typeof orderRun,
): Promise<readonly TransactionResult[]> {
  const clock = createClock();
  const lane = createCoalescingLane(clock);
  const flusher = new CancellationScope();
  flusher
    .run(() => lane.flush())
    .catch((error: unknown) => {
      if (!isCancellation(error)) throw error;
    });
  const results = await Promise.all(
    orders.map((order) => {
      const run = createRun(order, { clock, wasReset: false });
      const story = executableOf(orderFlow, orderOf, order);
      return coordinate(createKernel(run, lane, story), story);
    }),
  );
  flusher.cancel();
  return results;
}
