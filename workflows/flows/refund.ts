import { refund as flow } from '../../contracts/flows/refund';
import { moneyText, type Money } from '../../contracts/engine/money';
import type { ChargebackLimits } from '../../contracts/participants/risk';
import { runFlow } from '../kernel/flow';

/** A refund: what goes back is set aside on the payment and its payee, reviewed where a person must decide, then it goes to the payer. */
export const refund = runFlow(flow, {
  async run(tx, { refundId, paymentId, amount: asked, kind, reason, requestedBy, review }) {
    const { holdKey, payerId, amount } = await tx.reserveRefund({
      ...{ refundId, paymentId, amount: asked, kind, reason, requestedBy },
    });
    if (review && isAbove(amount, review.above)) {
      const about = `a chargeback of ${moneyText(amount)} on ${paymentId}`;
      await tx.review({ refundId }, { withinMs: review.withinMs, about }); // Refuses what was rejected.
    }

    await tx.returnFunds({ holdKey, payeeId: payerId, amount });

    await tx.completeRefund({ refundId });
  },
});

/** A currency without a limit has the limit 0: every amount is above it. */
const isAbove = ({ currency, minorUnits }: Money, limits: ChargebackLimits): boolean =>
  minorUnits > (limits[currency] ?? 0);
