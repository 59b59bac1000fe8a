import type { OrderSagaInput } from '../../../contracts/order-saga';
import type { TransactionResult } from '../../../contracts/transaction';
import type { Story } from '../../../workflows/kernel/story';
import { orderStory } from '../../../workflows/order-saga';
import { runBatch } from './order-batch';

/** The order story of a later build: some items wait a moment more before they ask, so that they ask in another order. */
const slowerStory: Story<OrderSagaInput> = {
  ...orderStory,
  async tell(tx, order) {
    if (order.gid.endsWith('-a')) await Promise.resolve();
    await orderStory.tell(tx, order);
  },
};

export async function orderBatch(
  orders: readonly OrderSagaInput[],
): Promise<readonly TransactionResult[]> {
  return runBatch(orders, slowerStory);
}
