import type { CheckoutInput } from '../contracts/checkout';
import { isFree, type AmountAtRisk } from '../contracts/money';
import type { OrderLine } from '../contracts/orders';
import type { TransactionResult } from '../contracts/transaction';
import { couponUse } from './coupon';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/** A checkout: stock, money, coupon and order are all tried at once; when all of them can, all are confirmed. */
const checkoutStory: Story<CheckoutInput> = {
  async tell(tx, input) {
    const { inventory, accounts, orders } = tx.participants;
    const { orderId, customerId, accountId, merchantAccountId, lines, amount, coupon } = input;

    await Promise.all([
      tx.participant('stock', {
        try: (key) => inventory.reserveStock({ key, lines: lines.map(piecesOf) }),
        confirm: (key) => inventory.confirmStock({ key }),
        cancel: (key) => inventory.releaseStock({ key }),
        atRisk: lines.map((line): AmountAtRisk => ({ kind: 'stock', ...piecesOf(line) })),
      }),
      !isFree(amount) &&
        tx.participant('funds', {
          try: (key) =>
            accounts.reserveDebit({ key, accountId, payeeId: merchantAccountId, amount }),
          confirm: (key) => accounts.confirmDebit({ key }),
          cancel: (key) => accounts.releaseFunds({ key }),
          atRisk: [{ kind: 'hold', ...amount }],
        }),
      coupon && tx.participant('coupon', couponUse(tx.participants, coupon, customerId)),
      tx.participant('order', {
        try: (key) =>
          orders.createOrder({
            key,
            orderId,
            customerId,
            lines,
            amount,
            ...(coupon && { discount: coupon.discount }),
            fencingToken: null, // Takes no lock: two checkouts of a customer may run at a time.
          }),
        confirm: (key) => orders.completeOrder({ key }),
        cancel: (key) => orders.cancelOrder({ key }),
      }),
    ]);
  },
};

export async function checkout(
  input: CheckoutInput,
  carried?: Carried,
): Promise<TransactionResult> {
  return runTransaction(input, checkoutStory, carried);
}

const piecesOf = ({ sku, quantity }: OrderLine) => ({ sku, quantity });
