import type { PaymentsActivities } from '../../contracts/payments';
import type { Fence } from '../participant';
import { authorisePayment, voidAuthorisation } from './payments-authorisation';
import { closePayment, completePayment, openPayment } from './payments-opening';
import { recordReview, withdrawReview } from './payments-reviews';
import { recordRefundReview, withdrawRefundReview } from './refunds-reviews';
import { cancelRefund, completeRefund, reserveRefund } from './refunds-store';
import { assessRisk, clearRisk } from './risk-assessment';
import type { VelocityMeter } from './risk-velocity';

/** @param fence of the database `accounts`. */
export function createPaymentsActivities({
  fence,
  velocity,
}: {
  readonly fence: Fence;
  readonly velocity: VelocityMeter;
}): PaymentsActivities {
  const assess = assessRisk(velocity);
  const clear = clearRisk(velocity);
  return {
    openPayment: (requests) => fence.act(openPayment, requests),
    closePayment: (requests) => fence.undo(closePayment, requests),
    assessRisk: (requests) => fence.act(assess, requests),
    clearRisk: (requests) => fence.undo(clear, requests),
    recordReview: (requests) => fence.act(recordReview, requests),
    withdrawReview: (requests) => fence.undo(withdrawReview, requests),
    authorisePayment: (requests) => fence.act(authorisePayment, requests),
    voidAuthorisation: (requests) => fence.undo(voidAuthorisation, requests),
    completePayment: (requests) => fence.act(completePayment, requests),
    reserveRefund: (requests) => fence.act(reserveRefund, requests),
    cancelRefund: (requests) => fence.undo(cancelRefund, requests),
    recordRefundReview: (requests) => fence.act(recordRefundReview, requests),
    withdrawRefundReview: (requests) => fence.undo(withdrawRefundReview, requests),
    completeRefund: (requests) => fence.act(completeRefund, requests),
  };
}
