/** The beginning of a payment, and its two ends. */
import { stepKeyOf, type BusinessId, type StepKey } from '../../contracts/engine/ids';
import type { CompletePayment, OpenPayment } from '../../contracts/participants/payments';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf } from '../fence/set-statements';
import { broken, refused, shown, partyProblem, type Account, type Accounts } from './money-rows';
import { capturedAmong } from './holds';
import {
  carryOut,
  changePayments,
  digits,
  existingPayments,
  insertPayments,
  lockPayments,
  lockPaymentsOf,
  systemActor,
  paymentMismatch,
  type Payment,
  type PaymentDecision,
} from './payments-store';
import { assessmentsAndReviews, type AssessmentsAndReviews } from './risk-store';
import { moneyEvent, type AccountsEvent } from './events';

/** `openPayment`: a pending payment between two accounts that can take part. */
export const openPayment: ActImplementation<OpenPayment, null, AccountsEvent> = {
  content: ({ paymentId, payerId, payeeId, amount, description, requestedBy }) => ({
    paymentId,
    payerId,
    payeeId,
    amount,
    description,
    requestedBy,
  }),
  rows: () => 2, // The payment and its audit.
  async effect(sql, requests) {
    const accounts = await readAccounts(
      sql,
      requests.flatMap(({ payerId, payeeId }) => [payerId, payeeId]),
    );
    const existing = await existingPayments(
      sql,
      requests.map(({ paymentId }) => paymentId),
    );
    const decided = requests.map((request) => decideOpening(request, accounts, existing));
    await insertPayments(
      sql,
      requests.filter((_, at) => decided[at]?.ok),
    );
    return decided;
  },
};

/** Reads without a lock, because all payments to one payee would wait for it. Hold and capture check again. */
async function readAccounts(
  sql: SqlTransaction,
  accountIds: readonly BusinessId[],
): Promise<Accounts> {
  const accounts = new Map<BusinessId, Account>();
  for (const ids of chunksOf([...new Set(accountIds)].sort())) {
    const rows = await sql.select<Omit<Account, 'left'>>(
      'SELECT id, tenant, kind, currency, status FROM accounts FORCE INDEX (PRIMARY) WHERE id IN (?)',
      [ids],
    );
    for (const row of rows) accounts.set(row.id, { ...row, left: 0n });
  }
  return accounts;
}

function decideOpening(
  { key, paymentId, payerId, payeeId, amount }: OpenPayment,
  accounts: Accounts,
  existing: Set<BusinessId>,
): Decided<null, AccountsEvent> {
  // Its gid contains the payment's id, so another transaction cannot have made it: a defect, for a person.
  if (existing.has(paymentId)) return broken(key, `Payment ${paymentId} is another transaction's.`);
  if (payerId === payeeId) return refused(key, `${shown(payerId)} would pay itself`);
  const unfit =
    partyProblem(accounts.get(payerId), payerId, amount) ??
    partyProblem(accounts.get(payeeId), payeeId, amount);
  if (unfit) return refused(key, unfit);
  existing.add(paymentId);
  const data = { paymentId, status: 'pending' as const, payerId, payeeId, ...digits(amount) };
  return { key, ok: true, result: null, event: moneyEvent('payment.opened', data) };
}

/** `closePayment`: `declined` if risk or a person rejected it, otherwise `failed`. Undone decisions still count. */
export const closePayment: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const undone = await lockPaymentsOf(sql, keys);
    const said = await assessmentsAndReviews(
      sql,
      undone.map(({ payment }) => payment.payment_id),
    );
    return changePayments(
      sql,
      undone.map((one) => {
        const status = endOf(one.payment, said.get(one.payment.payment_id));
        return { ...one, actor: systemActor, what: `payment.${status}`, status };
      }),
    );
  },
};

/** An authorised payment ends as failed, whatever was decided before. */
function endOf(
  { status }: Payment,
  said: AssessmentsAndReviews | undefined,
): 'declined' | 'failed' {
  const isDeclined =
    said?.assessment?.decision === 'decline' || said?.review?.decision === 'reject';
  return isDeclined && status !== 'authorised' ? 'declined' : 'failed';
}

/** `completePayment`: its event requests the notification of both parties. */
export const completePayment: ActImplementation<CompletePayment, null, AccountsEvent> = {
  content: ({ paymentId }) => ({ paymentId }),
  rows: () => 2, // The payment and its audit.
  async effect(sql, requests) {
    const payments = await lockPayments(
      sql,
      requests.map(({ paymentId }) => paymentId),
    );
    const captured = await capturedAmong(sql, [...payments.values()].map(holdKeyOf));
    return carryOut(
      sql,
      requests.map((request) =>
        decideCompletion(request, payments.get(request.paymentId), captured),
      ),
    );
  },
};

/** Key of the hold of an authorised payment. Any other payment has none: the branch `none` does not exist. */
const holdKeyOf = ({ gid, hold_branch }: Payment): StepKey => stepKeyOf(gid, hold_branch ?? 'none');

function decideCompletion(
  request: CompletePayment,
  payment: Payment | undefined,
  captured: ReadonlySet<StepKey>,
): PaymentDecision<null> {
  const { key, paymentId } = request;
  const strange = paymentMismatch(payment, request, ['authorised']);
  if (!payment || strange) return broken(key, strange ?? '');
  if (!captured.has(holdKeyOf(payment))) {
    return broken(key, `The money of payment ${paymentId} has not been captured.`);
  }
  const { payer_id, payee_id, currency, amount } = payment;
  const notification = {
    type: 'notification.requested' as const,
    recipients: [payer_id, payee_id],
  };
  const details = { payerId: payer_id, payeeId: payee_id, currency, amount, notification };
  return {
    result: null,
    change: {
      key,
      payment,
      actor: systemActor,
      what: 'payment.completed',
      details,
      status: 'completed',
      captured: BigInt(amount),
    },
  };
}
