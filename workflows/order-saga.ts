import { isFree, type AmountAtRisk } from '../contracts/money';
import type { OrderSagaInput } from '../contracts/order-saga';
import { decideBranch } from '../contracts/runs';
import type { TransactionResult } from '../contracts/transaction';
import { couponUse } from './coupon';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/**
 * An order: stock and money are set aside, the order is written, the money is taken, and all is made final. One that its
 * coupon makes free has no money to take: it is decided in `accord`.
 */
const freeOrderStory: Story<OrderSagaInput> = {
  async tell(tx, order) {
    const { inventory, accounts, orders, accord } = tx.participants;
    const { orderId, customerId, accountId, merchantAccountId, lines, amount, coupon } = order;

    const customer = await tx.lock('customer', customerId); // Isolation: one order of a customer at a time.

    const stock = await tx.step('reserveStock', {
      act: (key) => inventory.reserveStock({ key, lines: lines.map(piecesOf) }),
      undo: (key) => inventory.releaseStock({ key }),
      atRisk: lines.map((line): AmountAtRisk => ({ kind: 'stock', ...piecesOf(line) })),
    });

    if (coupon) await tx.participant('coupon', couponUse(tx.participants, coupon, customerId));

    const hold = isFree(amount)
      ? null
      : await tx.step('holdFunds', {
          act: (key) => accounts.holdFunds({ key, accountId, amount }),
          undo: (key) => accounts.releaseFunds({ key }),
          atRisk: [{ kind: 'hold', ...amount }],
        });

    const created = await tx.step('createOrder', {
      act: (key) =>
        orders.createOrder({
          key,
          orderId,
          customerId,
          lines,
          amount,
          ...(coupon && { discount: coupon.discount }),
          fencingToken: customer.token, // Read at each try: a lock that was lost and taken again has a newer one.
        }),
      undo: (key) => orders.cancelOrder({ key }),
    });

    if (hold) {
      await tx.pivot('captureFunds', (key) =>
        accounts.captureFunds({
          key,
          holdKey: hold.result.holdKey,
          payeeId: merchantAccountId,
          amount,
        }),
      );
    } else {
      await tx.pivot(decideBranch, (key) => accord.decide({ key }));
    }

    await tx.finish('confirmStock', () => inventory.confirmStock({ key: stock.key }));
    await tx.finish('completeOrder', () => orders.completeOrder({ key: created.key }));
  },
};

/** The order that is paid for. */
export const orderStory: Story<OrderSagaInput> = {
  ...freeOrderStory,
  decision: {
    step: 'captureFunds',
    seal: ({ accounts }, key) => accounts.sealBranch({ key }),
  },
};

export async function orderSaga(
  order: OrderSagaInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(order, isFree(order.amount) ? freeOrderStory : orderStory, carried);
}

const piecesOf = ({ sku, quantity }: OrderSagaInput['lines'][number]) => ({ sku, quantity });
