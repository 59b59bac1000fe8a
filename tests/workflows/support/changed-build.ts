import type { OrderSagaInput } from '../../../contracts/flows/order';
import type { TransactionResult } from '../../../contracts/engine/transaction';
import { orderRun } from '../../../workflows/flows/order';
import { runBatch } from './order-batch';

/** The order of a later build: some items wait a moment more before they ask, so that they ask in another order. */
const slowerRun: typeof orderRun = {
  ...orderRun,
  async run(tx, order) {
    if (order.gid.endsWith('-a')) await Promise.resolve();
    await orderRun.run(tx, order);
  },
};

export async function orderBatch(
  orders: readonly OrderSagaInput[],
): Promise<readonly TransactionResult[]> {
  return runBatch(orders, slowerRun);
}
