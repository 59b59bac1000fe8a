/** Decisions of persons on payments in review. The payment stays in review: `authorisePayment` acts on the decision. */
import type { RecordReview } from '../../contracts/participants/payments';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import { broken } from './money-rows';
import {
  carryOut,
  changePayments,
  lockPayments,
  lockPaymentsOf,
  systemActor,
  paymentMismatch,
} from './payments-store';
import { insertReviews, withdrawReviews } from './risk-store';
import type { AccountsEvent } from './events';

/** `recordReview`. */
export const recordReview: ActImplementation<RecordReview, null, AccountsEvent> = {
  // The first decision stands: another run of the transaction may get a different one.
  content: ({ paymentId }) => ({ paymentId }),
  rows: () => 3, // The review, the payment and its audit.
  async effect(sql, requests) {
    const payments = await lockPayments(
      sql,
      requests.map(({ paymentId }) => paymentId),
    );
    const strange = (request: RecordReview) =>
      paymentMismatch(payments.get(request.paymentId), request, ['review']);
    await insertReviews(
      sql,
      requests.filter((request) => !strange(request)),
    );
    return carryOut(
      sql,
      requests.map((request) => {
        const { key, paymentId, decision, by, note } = request;
        const payment = payments.get(paymentId);
        if (!payment || strange(request)) return broken(key, strange(request) ?? '');
        const details = { decision, note };
        const change = { key, payment, actor: by, what: 'payment.reviewed' as const, details };
        return { change, result: null };
      }),
    );
  },
};

/** `withdrawReview`: the decision stays written, and no longer counts. */
export const withdrawReview: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const undone = await lockPaymentsOf(sql, keys);
    await withdrawReviews(sql, keys);
    return changePayments(
      sql,
      undone.map((one) => ({ ...one, actor: systemActor, what: 'payment.reviewWithdrawn' })),
    );
  },
};
