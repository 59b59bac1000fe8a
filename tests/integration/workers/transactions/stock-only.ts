import type { OrderSagaInput } from '../../../../contracts/order-saga';
import type { TransactionResult } from '../../../../contracts/transaction';
import type { Story } from '../../../../workflows/kernel/story';
import { runTransaction } from '../../../../workflows/kernel/transaction';

export { orderSaga } from '../../../../workflows/order-saga';

/** A transaction without a pivot of its own: the branch `decide` in `accord` decides it. */
const stockOnlyStory: Story<OrderSagaInput> = {
  async tell(tx, { lines }) {
    const { inventory } = tx.participants;
    await tx.participant('stock', {
      try: (key) => inventory.reserveStock({ key, lines }),
      confirm: (key) => inventory.confirmStock({ key }),
      cancel: (key) => inventory.releaseStock({ key }),
    });
  },
};

export async function stockOnly(order: OrderSagaInput): Promise<TransactionResult> {
  return runTransaction(order, stockOnlyStory);
}
