import { order } from '../../contracts/flows/order';
import { isFree } from '../../contracts/engine/money';
import type { OrderSagaInput } from '../../contracts/flows/order';
import { runFlow, type FlowRun } from '../kernel/flow';

/**
 * An order: sets stock and money aside, writes the order, takes the money, and makes all final. An order that its
 * coupon makes free moves no money.
 */
export const orderRun: FlowRun<OrderSagaInput, typeof order.steps, (typeof order.locks)[number]> = {
  async run(tx, { orderId, customerId, accountId, merchantAccountId, lines, amount, coupon }) {
    const customer = await tx.lock('customer', customerId); // Isolation: one order of a customer at a time.

    await tx.reserveStock({ lines: lines.map(piecesOf) });
    if (coupon) await tx.coupon({ customerId, ...coupon });
    const hold = isFree(amount) ? null : await tx.holdFunds({ accountId, amount });
    await tx.createOrder(() => ({
      orderId,
      customerId,
      lines,
      amount,
      ...(coupon && { discount: coupon.discount }),
      fencingToken: customer.token, // Read at each try: a lock that was taken again has a newer token.
    }));

    if (hold) {
      await tx.captureFunds({ holdKey: hold.holdKey, payeeId: merchantAccountId, amount });
    } else {
      await tx.decide();
    }

    await tx.confirmStock();
    await tx.completeOrder();
  },
};

export const orderSaga = runFlow(order, orderRun);

const piecesOf = ({ sku, quantity }: OrderSagaInput['lines'][number]) => ({ sku, quantity });
