import { heldAmount } from '../engine/money';
import { accounts } from '../participants';
import type { PaymentInput } from '../participants/payments';
import { defineFlow } from '../engine/flow-definition';
import { compensable, pivot, retriable, reviewed } from '../engine/steps';

/** A payment. It is reviewed by a person only if the assessment demands it. */
export const payment = defineFlow<PaymentInput>()({
  name: 'payment',
  workflow: 'payment',
  steps: {
    openPayment: compensable(accounts.openPayment, { undo: accounts.closePayment }),
    assessRisk: compensable(accounts.assessRisk, { undo: accounts.clearRisk }),
    review: reviewed(accounts.recordReview, { undo: accounts.withdrawReview }),
    authorise: compensable(accounts.authorisePayment, {
      undo: accounts.voidAuthorisation,
      atRisk: ({ amount }: PaymentInput) => heldAmount(amount),
    }),
    transferFunds: pivot(accounts.captureFunds, { seal: accounts.sealBranch }),
    completePayment: retriable(accounts.completePayment),
  },
});
