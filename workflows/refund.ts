import { moneyText, type Money } from '../contracts/money';
import type { RefundInput } from '../contracts/payments';
import type { ChargebackLimits } from '../contracts/risk';
import type { TransactionResult } from '../contracts/transaction';
import type { Carried } from './kernel/run';
import type { Story } from './kernel/story';
import { runTransaction } from './kernel/transaction';

/** A refund: what goes back is set aside on the payment and its payee, reviewed where a person must decide, then it goes to the payer. */
const refundStory: Story<RefundInput> = {
  decision: {
    step: 'returnFunds',
    seal: ({ accounts }, key) => accounts.sealBranch({ key }),
  },

  async tell(tx, { refundId, paymentId, amount, kind, reason, requestedBy, review }) {
    const { accounts } = tx.participants;

    const reservation = await tx.step('reserveRefund', {
      act: (key) =>
        accounts.reserveRefund({ key, refundId, paymentId, amount, kind, reason, requestedBy }),
      undo: (key) => accounts.cancelRefund({ key }),
      atRisk: amount ? [{ kind: 'hold', ...amount }] : [], // All that is left: only the participant knows how much.
      answers: ({ amount: reserved }) => [{ kind: 'hold', ...reserved }],
    });

    if (review) {
      await tx.step('review', {
        async act(key) {
          const { amount: reserved } = reservation.result;
          if (!isAbove(reserved, review.above)) return;
          const reviewed = await tx.review({
            withinMs: review.withinMs,
            about: `a chargeback of ${moneyText(reserved)} on ${paymentId}`,
          });
          if (reviewed) await accounts.recordRefundReview({ key, refundId, ...reviewed }); // Refuses what was rejected.
        },
        undo: (key) => accounts.withdrawRefundReview({ key }),
      });
    }

    await tx.pivot('returnFunds', (key) => {
      const { holdKey, payerId, amount: returned } = reservation.result;
      return accounts.captureFunds({ key, holdKey, payeeId: payerId, amount: returned });
    });

    await tx.finish('completeRefund', (key) => accounts.completeRefund({ key, refundId }));
  },
};

const isAbove = ({ currency, minorUnits }: Money, limits: ChargebackLimits): boolean =>
  minorUnits > (limits[currency] ?? Infinity);

export async function refund(input: RefundInput, carried?: Carried): Promise<TransactionResult> {
  return runTransaction(input, refundStory, carried);
}
