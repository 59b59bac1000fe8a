import { heldAmount } from '../engine/money';
import { accounts } from '../participants';
import type { RefundInput } from '../participants/payments';
import { defineFlow } from '../engine/flow-definition';
import { compensable, pivot, retriable, reviewed } from '../engine/steps';

/** A refund, or a chargeback that a person may have to review. */
export const refund = defineFlow<RefundInput>()({
  name: 'refund',
  workflow: 'refund',
  lane: 'single', // A chargeback waits for a person at once.
  steps: {
    reserveRefund: compensable(accounts.reserveRefund, {
      undo: accounts.cancelRefund,
      atRisk: ({ amount }: RefundInput) => (amount ? heldAmount(amount) : []), // `null`: all that is left.
    }),
    review: reviewed(accounts.recordRefundReview, {
      undo: accounts.withdrawRefundReview,
      when: ({ review }: RefundInput) => review !== undefined,
    }),
    returnFunds: pivot(accounts.captureFunds, { seal: accounts.sealBranch }),
    completeRefund: retriable(accounts.completeRefund),
  },
});
