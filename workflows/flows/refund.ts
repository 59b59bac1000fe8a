import { refund as flow } from '../../contracts/flows/refund';
import { moneyText, type Money } from '../../contracts/engine/money';
import type { ChargebackLimits } from '../../contracts/participants/risk';
import { runFlow } from '../kernel/flow';

/**
 * A refund: sets the amount aside on the payment and at its payee, waits for a review if a person must decide, and pays
 * the payer.
 */
export const refund = runFlow(flow, {
  async run(tx, { refundId, paymentId, amount: asked, kind, reason, requestedBy, review }) {
    const { holdKey, payerId, amount } = await tx.reserveRefund({
      ...{ refundId, paymentId, amount: asked, kind, reason, requestedBy },
    });
    if (review && isAbove(amount, review.above)) {
      const about = `a chargeback of ${moneyText(amount)} on ${paymentId}`;
      await tx.review({ refundId }, { withinMs: review.withinMs, about }); // It refuses a rejected chargeback.
    }

    await tx.returnFunds({ holdKey, payeeId: payerId, amount });

    await tx.completeRefund({ refundId });
  },
});

/** A currency without a limit has the limit 0: every amount is above it. */
const isAbove = ({ currency, minorUnits }: Money, limits: ChargebackLimits): boolean =>
  minorUnits > (limits[currency] ?? 0);
