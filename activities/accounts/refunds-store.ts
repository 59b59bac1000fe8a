/**
 * Refunds of a payment. The payment's row is the mutex of its refunds: `refunding` and `refunded` together never exceed
 * the captured amount, and the table enforces it. The payer's bank has already taken the money of a chargeback. So it
 * is counted apart, at any amount, and leaves less for refunds.
 */
import {
  partsOfBusinessId,
  stepKeyOf,
  type BusinessId,
  type StepKey,
} from '../../contracts/engine/ids';
import { decimalOf, moneyText, type Currency, type Money } from '../../contracts/engine/money';
import {
  isBookingUnderWay,
  type CompleteRefund,
  type RefundKind,
  type RefundReservation,
  type ReserveRefund,
} from '../../contracts/participants/payments';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import { decideHold } from './accounts-store';
import {
  broken,
  lockAccounts,
  lockHolds,
  refused,
  shown,
  accountProblem,
  type Accounts,
} from './money-rows';
import { capturedAmong, release, setAside } from './holds';
import {
  carryOut,
  changePayments,
  digits,
  lockPayments,
  systemActor,
  type Payment,
  type PaymentChange,
  type PaymentDecision,
  type Payments,
} from './payments-store';
import type { AccountsEvent } from './events';

/** A row of `refunds`, locked. */
export interface Refund {
  readonly refund_id: BusinessId;
  readonly payment_id: BusinessId;
  readonly currency: Currency;
  /** BIGINT, as digits. */
  readonly amount: string;
  readonly kind: RefundKind;
  readonly state: 'reserved' | 'completed' | 'cancelled';
  readonly gid: string;
  readonly branch: string;
}

/** A granted refund, ready to be written. */
interface Granted {
  readonly request: ReserveRefund;
  readonly payment: Payment;
  readonly reservation: RefundReservation;
}

/** Data for the decisions on a set. Each granted request leaves less for the next ones. */
interface Known {
  readonly payments: Payments;
  readonly accounts: Accounts;
  readonly left: Map<BusinessId, bigint>;
  readonly refundIds: Set<BusinessId>;
}

/** `reserveRefund`: holds the amount on the payee's account, under the key of the act. */
export const reserveRefund: ActImplementation<ReserveRefund, RefundReservation, AccountsEvent> = {
  content: ({ refundId, paymentId, amount, kind, reason, requestedBy }) => ({
    refundId,
    paymentId,
    amount,
    kind,
    reason,
    requestedBy,
  }),
  rows: () => 5, // The payment and its audit, the refund, the account, the hold.
  async effect(sql, requests) {
    const known = await lockKnown(sql, requests);
    const decisions = requests.map((request) => decide(request, known));
    const granted = decisions.flatMap((one) => ('reservation' in one ? [one] : []));
    await setAside(
      sql,
      granted.map(({ request: { key }, payment, reservation: { amount } }) => ({
        key,
        accountId: payment.payee_id,
        amount,
      })),
    );
    await insertRefunds(sql, granted);
    return carryOut(
      sql,
      decisions.map((one) =>
        'reservation' in one ? { change: reservationOf(one), result: one.reservation } : one,
      ),
    );
  },
};

async function lockKnown(sql: SqlTransaction, requests: readonly ReserveRefund[]): Promise<Known> {
  const refundIds = await existingRefunds(
    sql,
    requests.map(({ refundId }) => refundId),
  );
  const payments = await lockPayments(
    sql,
    requests.map(({ paymentId }) => paymentId),
  );
  const accounts = await lockAccounts(
    sql,
    [...payments.values()].map(({ payee_id }) => payee_id),
  );
  const left = new Map(
    [...payments].map(([id, { captured, refunding, refunded, charging_back, charged_back }]) => [
      id,
      [refunding, refunded, charging_back, charged_back].reduce(
        (rest, sum) => rest - BigInt(sum),
        BigInt(captured),
      ),
    ]),
  );
  return { payments, accounts, left, refundIds };
}

/** Decides a request. Subtracts a granted amount from the rest of the payment, and from the payee's money. */
function decide(request: ReserveRefund, known: Known): Granted | Decided<never> {
  const { key, refundId, paymentId } = request;
  if (known.refundIds.has(refundId)) {
    // Its gid contains the refund's id, so another transaction cannot have made it: a defect, for a person.
    return broken(key, `Refund ${refundId} is another transaction's.`);
  }
  const payment = known.payments.get(paymentId);
  if (payment && isBookingUnderWay(payment.status) && isOfTenant(payment, request)) {
    const detail = `${shown(paymentId)} is ${payment.status}: its money has not been booked yet.`;
    return { key, ok: false, failure: 'NotYet', detail };
  }
  const unfit = unrefundable(payment, request);
  if (!payment || unfit) {
    return { key, ok: false, failure: 'PaymentUnavailable', detail: unfit ?? '' };
  }
  const left = known.left.get(paymentId) ?? 0n;
  const asked = request.amount ? BigInt(request.amount.minorUnits) : left;
  // A chargeback without an amount takes all that is left, so something must be left.
  const mayPass = request.kind === 'chargeback' && request.amount !== null;
  if (asked <= 0n || (asked > left && !mayPass)) {
    const { currency } = payment;
    const those = moneyText({ currency, minorUnits: asked > 0n ? asked : 0n });
    const still = decimalOf({ currency, minorUnits: left > 0n ? left : 0n });
    const detail = `${shown(paymentId)}: ${those} asked, ${still} left`;
    return { key, ok: false, failure: 'LimitExceeded', detail };
  }
  const amount = { currency: payment.currency, minorUnits: Number(asked) };
  const taken = takeFromPayee(key, amount, payment.payee_id, request.kind, known.accounts);
  if (!taken.ok) return taken;
  known.left.set(paymentId, left - asked);
  known.refundIds.add(refundId);
  return { request, payment, reservation: { holdKey: key, payerId: payment.payer_id, amount } };
}

/** Why this payment cannot be refunded; `undefined`: it can. A payment of another tenant is unknown. */
function unrefundable(payment: Payment | undefined, request: ReserveRefund): string | undefined {
  const { paymentId, amount } = request;
  if (!payment || !isOfTenant(payment, request)) return `${shown(paymentId)} is unknown`;
  if (payment.status !== 'completed') return `${shown(paymentId)} is ${payment.status}`;
  if (amount && amount.currency !== payment.currency) {
    return `${shown(paymentId)} is not in ${amount.currency}`;
  }
  return undefined;
}

const isOfTenant = ({ tenant }: Payment, { refundId }: ReserveRefund): boolean =>
  tenant === partsOfBusinessId(refundId)?.tenant;

/** A merchant owes a chargeback to the payer's bank, even without enough money, or with a closed account. */
function takeFromPayee(
  key: StepKey,
  amount: Money,
  accountId: BusinessId,
  kind: RefundKind,
  accounts: Accounts,
): Decided<unknown, AccountsEvent> {
  const account = accounts.get(accountId);
  if (kind !== 'chargeback' || account?.kind !== 'merchant') {
    return decideHold({ key, accountId, amount }, accounts);
  }
  const unfit = accountProblem({ ...account, status: 'open' }, accountId, amount);
  if (unfit) return refused(key, unfit);
  account.left -= BigInt(amount.minorUnits);
  return { key, ok: true, result: null, event: null };
}

function reservationOf({ request, payment, reservation }: Granted): PaymentChange {
  const { key, refundId, kind, reason, requestedBy } = request;
  const details = { refundId, kind, reason, ...digits(reservation.amount) };
  const underWay = underWayOf(kind, BigInt(reservation.amount.minorUnits));
  return { key, payment, actor: requestedBy, what: 'refund.reserved', details, ...underWay };
}

/** The sum of a payment that a refund changes while it is under way. */
const underWayOf = (kind: RefundKind, minor: bigint) =>
  kind === 'chargeback' ? { chargingBack: minor } : { refunding: minor };

/** `cancelRefund`: the payee has the money again, and it may be refunded again. */
export const cancelRefund: FollowUpImplementation<AccountsEvent> = {
  async effect(sql, keys) {
    const holds = await lockHolds(sql, keys);
    const refunds = await lockRefunds(sql, await refundIdsOf(sql, keys));
    expectRows('refunds', refunds.length, keys.length);
    const payments = await lockPayments(sql, refunds.map(paymentIdOf));
    await release(sql, keys, holds);
    await endRefunds(sql, refunds, 'cancelled');
    return changePayments(
      sql,
      refunds.map((refund) => ({
        ...endingOf(refund, payments),
        key: keyOf(refund),
        what: 'refund.cancelled',
      })),
    );
  },
};

/** `completeRefund`: the reserved amount was paid back. */
export const completeRefund: ActImplementation<CompleteRefund, null, AccountsEvent> = {
  content: ({ refundId }) => ({ refundId }),
  rows: () => 3, // The refund, the payment and its audit.
  async effect(sql, requests) {
    const refunds = await lockRefunds(
      sql,
      requests.map(({ refundId }) => refundId),
    );
    const payments = await lockPayments(sql, refunds.map(paymentIdOf));
    const captured = await capturedAmong(sql, refunds.map(keyOf));
    const byId = new Map(refunds.map((refund) => [refund.refund_id, refund]));
    const decisions = requests.map((request): PaymentDecision<null> => {
      const { key, refundId } = request;
      const refund = byId.get(refundId);
      const flaw = incompletable(refund, request, captured);
      if (!refund || flaw) return broken(key, flaw ?? '');
      byId.delete(refundId); // Once in a set.
      const minor = BigInt(refund.amount);
      const gone = refund.kind === 'chargeback' ? { chargedBack: minor } : { refunded: minor };
      const change = {
        ...endingOf(refund, payments),
        key,
        what: 'refund.completed' as const,
        ...gone,
      };
      return { change, result: null };
    });
    const completed = refunds.filter(({ refund_id }) => !byId.has(refund_id));
    await endRefunds(sql, completed, 'completed');
    return carryOut(sql, decisions);
  },
};

/** Why a refund cannot be completed, which is a defect; `undefined`: it can. */
function incompletable(
  refund: Refund | undefined,
  { key, refundId }: CompleteRefund,
  captured: ReadonlySet<StepKey>,
): string | undefined {
  if (refund?.gid !== effectOf(key).gid) return `Refund ${refundId} is not of this transaction.`;
  if (refund.state !== 'reserved') return `Refund ${refundId} is ${refund.state}.`;
  return captured.has(keyOf(refund))
    ? undefined
    : `The money of refund ${refundId} has not been captured.`;
}

const keyOf = ({ gid, branch }: Refund): StepKey => stepKeyOf(gid, branch);
export const paymentIdOf = ({ payment_id }: Refund): BusinessId => payment_id;

/** Change at both endings: the refund is no longer under way. */
function endingOf(refund: Refund, payments: Payments) {
  const { refund_id, payment_id, currency, amount, kind } = refund;
  const payment = payments.get(payment_id);
  if (!payment) throw new Error(`Refund ${refund_id} has no payment.`);
  const details = { refundId: refund_id, currency, amount };
  return { payment, actor: systemActor, details, ...underWayOf(kind, -BigInt(amount)) };
}

async function existingRefunds(
  sql: SqlTransaction,
  refundIds: readonly BusinessId[],
): Promise<Set<BusinessId>> {
  const existing = new Set<BusinessId>();
  for (const ids of chunksOf(refundIds)) {
    const rows = await sql.select<{ readonly refund_id: BusinessId }>(
      'SELECT refund_id FROM refunds FORCE INDEX (PRIMARY) WHERE refund_id IN (?)',
      [ids],
    );
    for (const { refund_id } of rows) existing.add(refund_id);
  }
  return existing;
}

/** One of each transaction. The fence rows of these keys are ours, so their refunds are found without a lock. */
export async function refundIdsOf(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<readonly BusinessId[]> {
  const found: BusinessId[] = [];
  for (const gids of chunksOf(keys.map((key) => effectOf(key).gid))) {
    const rows = await sql.select<{ readonly refund_id: BusinessId }>(
      'SELECT refund_id FROM refunds FORCE INDEX (by_effect) WHERE gid IN (?)',
      [gids],
    );
    found.push(...rows.map(({ refund_id }) => refund_id));
  }
  return found;
}

/** Locks the rows in key order. */
export async function lockRefunds(
  sql: SqlTransaction,
  refundIds: readonly BusinessId[],
): Promise<readonly Refund[]> {
  const refunds: Refund[] = [];
  for (const ids of chunksOf([...new Set(refundIds)].sort())) {
    refunds.push(
      ...(await sql.select<Refund>(
        `SELECT refund_id, payment_id, currency, amount, kind, state, gid, branch
           FROM refunds FORCE INDEX (PRIMARY) WHERE refund_id IN (?) ORDER BY refund_id FOR UPDATE`,
        [ids],
      )),
    );
  }
  return refunds;
}

async function insertRefunds(sql: SqlTransaction, granted: readonly Granted[]): Promise<void> {
  const rows = granted.map(({ request, payment, reservation: { amount } }) => {
    const { key, refundId, kind, reason, requestedBy } = request;
    const { payment_id, tenant, payee_id, payer_id } = payment;
    const { gid, branch } = effectOf(key);
    const money = [amount.currency, amount.minorUnits];
    const parties = [payee_id, payer_id];
    return [
      refundId,
      payment_id,
      tenant,
      ...parties,
      ...money,
      kind,
      reason,
      requestedBy,
      gid,
      branch,
    ];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO refunds (refund_id, payment_id, tenant, payee_id, payer_id, currency, amount, kind, reason,
                            requested_by, gid, branch) VALUES ?`,
      [values],
    );
  }
}

async function endRefunds(
  sql: SqlTransaction,
  refunds: readonly Refund[],
  state: 'completed' | 'cancelled',
): Promise<void> {
  for (const chunk of chunksOf(refunds)) {
    const changed = await sql.change(
      `UPDATE refunds FORCE INDEX (PRIMARY) SET state = ? WHERE refund_id IN (?) AND state = 'reserved'`,
      [state, chunk.map(({ refund_id }) => refund_id)],
    );
    expectRows('refunds', changed, chunk.length);
  }
}
