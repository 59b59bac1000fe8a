import type { OrderSagaInput } from '../../../contracts/order-saga';
import type { TransactionResult } from '../../../contracts/transaction';
import type { Carried } from '../../../workflows/kernel/run';
import type { Story } from '../../../workflows/kernel/story';
import { runTransaction } from '../../../workflows/kernel/transaction';

/** An order whose pivot cannot be sealed: nobody could tell whether to undo it. */
const unsealedStory: Story<OrderSagaInput> = {
  decision: { step: 'captureFunds' },
  async tell(tx, { accountId, merchantAccountId, amount }) {
    const { accounts } = tx.participants;
    const hold = await tx.step('holdFunds', {
      act: (key) => accounts.holdFunds({ key, accountId, amount }),
      undo: (key) => accounts.releaseFunds({ key }),
    });
    await tx.pivot('captureFunds', (key) =>
      accounts.captureFunds({
        key,
        holdKey: hold.result.holdKey,
        payeeId: merchantAccountId,
        amount,
      }),
    );
  },
};

export async function unsealedOrder(
  order: OrderSagaInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(order, unsealedStory, carried);
}
