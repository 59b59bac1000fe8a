/** Decisions of persons on chargebacks in review. The audit of the payment has them. */
import type { StepKey } from '../../contracts/engine/ids';
import type { RecordRefundReview } from '../../contracts/participants/payments';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided } from '../fence/participant';
import { effectOf } from '../fence/set-statements';
import { broken } from './money-rows';
import {
  carryOut,
  changePayments,
  lockPayments,
  systemActor,
  type Payments,
} from './payments-store';
import { lockRefunds, paymentIdOf, refundIdsOf, type Refund } from './refunds-store';
import type { AccountsEvent } from './events';

/** `recordRefundReview`. */
export const recordRefundReview: ActImplementation<RecordRefundReview, null, AccountsEvent> = {
  // The first decision stands: another run of the transaction may get a different one.
  content: ({ refundId }) => ({ refundId }),
  rows: () => 2, // The payment and its audit.
  async effect(sql, requests) {
    const refunds = await lockRefunds(
      sql,
      requests.map(({ refundId }) => refundId),
    );
    const payments = await lockPayments(sql, refunds.map(paymentIdOf));
    const byId = new Map(refunds.map((refund) => [refund.refund_id, refund]));
    return carryOut(
      sql,
      requests.map((request) => decide(request, byId.get(request.refundId), payments)),
    );
  },
};

function decide(
  { key, refundId, decision, by, note }: RecordRefundReview,
  refund: Refund | undefined,
  payments: Payments,
) {
  const payment = refund && payments.get(refund.payment_id);
  if (!payment || refund.gid !== effectOf(key).gid)
    return broken(key, `Refund ${refundId} is not of this transaction.`);
  if (refund.state !== 'reserved') return broken(key, `Refund ${refundId} is ${refund.state}.`);
  if (decision === 'reject') return rejected(key, note);
  const details = { refundId, decision, note };
  return {
    change: { key, payment, actor: by, what: 'refund.reviewed' as const, details },
    result: null,
  };
}

const rejected = (key: StepKey, note: string | null): Decided<never> => ({
  key,
  ok: false,
  failure: 'ReviewRejected',
  detail: note ?? 'A person said no.',
});

/** `withdrawRefundReview`: the decision stays written, and no longer counts. */
export const withdrawRefundReview: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const refunds = await lockRefunds(sql, await refundIdsOf(sql, keys));
    const payments = await lockPayments(sql, refunds.map(paymentIdOf));
    const byGid = new Map(refunds.map((refund) => [refund.gid, refund]));
    return changePayments(
      sql,
      keys.map((key) => {
        const refund = byGid.get(effectOf(key).gid);
        const payment = refund && payments.get(refund.payment_id);
        if (!payment) throw new Error(`${key} has no refund.`);
        const details = { refundId: refund.refund_id };
        return { key, payment, actor: systemActor, what: 'refund.reviewWithdrawn', details };
      }),
    );
  },
};
