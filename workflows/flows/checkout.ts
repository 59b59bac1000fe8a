import { checkout as flow } from '../../contracts/flows/checkout';
import { isFree } from '../../contracts/engine/money';
import type { OrderLine } from '../../contracts/participants/orders';
import { runFlow } from '../kernel/flow';

/** A checkout: stock, money, coupon and order are all tried at once; when all of them can, all are confirmed. */
export const checkout = runFlow(flow, {
  async run(tx, { orderId, customerId, accountId, merchantAccountId, lines, amount, coupon }) {
    await Promise.all([
      tx.stock({ lines: lines.map(piecesOf) }),
      !isFree(amount) && tx.funds({ accountId, payeeId: merchantAccountId, amount }),
      coupon && tx.coupon({ customerId, ...coupon }),
      tx.order({
        orderId,
        customerId,
        lines,
        amount,
        ...(coupon && { discount: coupon.discount }),
        fencingToken: null, // Takes no lock: two checkouts of a customer may run at a time.
      }),
    ]);
  },
});

const piecesOf = ({ sku, quantity }: OrderLine) => ({ sku, quantity });
