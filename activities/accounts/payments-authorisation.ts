/** Acts on the assessment and review of a payment: sets its money aside, or refuses it. */
import type { FundsHold } from '../../contracts/participants/accounts';
import type { StepKey } from '../../contracts/engine/ids';
import { moneyText, type Money } from '../../contracts/engine/money';
import type { AuthorisePayment } from '../../contracts/participants/payments';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided } from '../fence/participant';
import { effectOf } from '../fence/set-statements';
import { decideHold } from './accounts-store';
import { broken, lockAccounts, lockHolds, type Accounts, type NewHold } from './money-rows';
import { release, setAside } from './holds';
import {
  carryOut,
  changePayments,
  lockPayments,
  lockPaymentsOf,
  systemActor,
  moneyOf,
  paymentMismatch,
  type Payment,
  type PaymentDecision,
} from './payments-store';
import { assessmentsAndReviews, type AssessmentsAndReviews } from './risk-store';
import type { AccountsEvent } from './events';

/** `authorisePayment`: the hold has the key of the act, so the pivot consumes it. */
export const authorisePayment: ActImplementation<AuthorisePayment, FundsHold, AccountsEvent> = {
  content: ({ paymentId, amount }) => ({ paymentId, amount }),
  rows: () => 4, // The payment and its audit, the account, the hold.
  async effect(sql, requests) {
    const payments = await lockPayments(
      sql,
      requests.map(({ paymentId }) => paymentId),
    );
    const said = await assessmentsAndReviews(sql, [...payments.keys()]);
    const accounts = await lockAccounts(
      sql,
      [...payments.values()].map(({ payer_id }) => payer_id),
    );
    const decisions = requests.map((request) =>
      decide(request, payments.get(request.paymentId), said.get(request.paymentId), accounts),
    );
    await setAside(
      sql,
      decisions.flatMap((decision) => ('change' in decision ? [holdOf(decision.change)] : [])),
    );
    return carryOut(sql, decisions);
  },
};

const holdOf = ({
  key,
  payment,
}: {
  readonly key: StepKey;
  readonly payment: Payment;
}): NewHold => ({
  key,
  accountId: payment.payer_id,
  amount: moneyOf(payment),
});

function decide(
  request: AuthorisePayment,
  payment: Payment | undefined,
  said: AssessmentsAndReviews | undefined,
  accounts: Accounts,
): PaymentDecision<FundsHold> {
  const { key } = request;
  const strange = paymentMismatch(payment, request, ['pending', 'review']);
  if (!payment || strange) return broken(key, strange ?? '');
  if (!isSame(moneyOf(payment), request.amount)) {
    return broken(key, `Payment ${request.paymentId} is of ${moneyText(moneyOf(payment))}.`);
  }
  const no = objection(key, said);
  if (no) return no;
  const hold = decideHold(holdOf({ key, payment }), accounts);
  if (!hold.ok) return hold;
  const { payer_id, payee_id, currency, amount } = payment;
  const details = { payerId: payer_id, payeeId: payee_id, currency, amount };
  const change = { key, payment, actor: systemActor, what: 'payment.authorised' as const, details };
  const holdBranch = effectOf(key).branch;
  return { change: { ...change, status: 'authorised', holdBranch }, result: hold.result };
}

const isSame = (one: Money, other: Money): boolean =>
  one.currency === other.currency && one.minorUnits === other.minorUnits;

/** Maximum letters of the reasons in a refusal. The assessment has all of them. */
const reasonsMax = 400;

/** Why no money is set aside; `undefined`: there is no objection. */
function objection(
  key: StepKey,
  said: AssessmentsAndReviews | undefined,
): Decided<never> | undefined {
  const { assessment, review } = said ?? {};
  if (assessment?.state !== 'standing') return broken(key, 'No assessment stands.');
  if (assessment.decision === 'decline') {
    const detail = assessment.reasons.map((reason) => reason.detail).join('; ');
    return { key, ok: false, failure: 'RiskRejected', detail: detail.slice(0, reasonsMax) };
  }
  const isReviewed = review?.state === 'standing';
  if (isReviewed && review.decision === 'reject') {
    return {
      key,
      ok: false,
      failure: 'ReviewRejected',
      detail: review.note ?? 'A person said no.',
    };
  }
  if (assessment.decision === 'review' && !isReviewed) return broken(key, 'The review is missing.');
  return undefined;
}

/** `voidAuthorisation`: frees the money. The payment stays authorised until it is closed. */
export const voidAuthorisation: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const holds = await lockHolds(sql, keys);
    const undone = await lockPaymentsOf(sql, keys);
    await release(sql, keys, holds);
    return changePayments(
      sql,
      undone.map((one) => ({ ...one, actor: systemActor, what: 'payment.authorisationVoided' })),
    );
  },
};
