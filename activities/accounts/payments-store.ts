/** Rows of `payments`: every change goes through `changePayments`, which writes its audit entry with it. */
import {
  partsOfBusinessId,
  type BusinessId,
  type Gid,
  type StepKey,
} from '../../contracts/engine/ids';
import type { Currency, Money } from '../../contracts/engine/money';
import type { OpenPayment, PaymentStatus } from '../../contracts/participants/payments';
import type { Decided, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import { appendAudit, auditStart, chained, type AuditEntry, type AuditRow } from './payment-audit';
import type { AccountsEvent, PaymentNews } from './events';

/** A row of `payments`, locked. Amounts are BIGINT, as digits. */
export interface Payment {
  readonly payment_id: BusinessId;
  readonly tenant: string;
  readonly payer_id: BusinessId;
  readonly payee_id: BusinessId;
  readonly currency: Currency;
  readonly amount: string;
  readonly status: PaymentStatus;
  readonly captured: string;
  readonly refunding: string;
  readonly refunded: string;
  readonly charging_back: string;
  readonly charged_back: string;
  readonly gid: Gid;
  /** Branch of its hold. `null`: the payment was never authorised. */
  readonly hold_branch: string | null;
  readonly audit_seq: number;
  readonly audit_head: Buffer;
  /** Time when it was opened, in milliseconds since 1970, by the database's clock. */
  readonly created_ms: string;
  /** Time when it was locked, by the same clock. It is the time of the change. */
  readonly locked_at: Date;
}
export type Payments = ReadonlyMap<BusinessId, Payment>;

/** Actor of a change that no person or key decided. */
export const systemActor = 'accord';

/** One change of a payment, with its audit entry. Sums are increments. */
export type PaymentChange = PaymentNews & {
  /** As it was locked. */
  readonly payment: Payment;
  /** The effect that changes it. */
  readonly key: StepKey;
  readonly actor: string;
  readonly status?: PaymentStatus;
  readonly holdBranch?: string;
  readonly captured?: bigint;
  readonly refunding?: bigint;
  readonly refunded?: bigint;
  readonly chargingBack?: bigint;
  readonly chargedBack?: bigint;
};

/** Locks the rows in key order; `SYSDATE` is when a row was locked, `UTC_TIMESTAMP` when the wait for it began. */
export async function lockPayments(
  sql: SqlTransaction,
  paymentIds: readonly BusinessId[],
): Promise<Payments> {
  const payments = new Map<BusinessId, Payment>();
  for (const ids of chunksOf([...new Set(paymentIds)].sort())) {
    const rows = await sql.select<Payment>(
      `SELECT payment_id, tenant, payer_id, payee_id, currency, amount, status, captured, refunding, refunded,
              charging_back, charged_back, gid, hold_branch, audit_seq, audit_head, CAST(UNIX_TIMESTAMP(created_at) * 1000 AS SIGNED) AS created_ms,
              SYSDATE(3) AS locked_at
         FROM payments FORCE INDEX (PRIMARY) WHERE payment_id IN (?) ORDER BY payment_id FOR UPDATE`,
      [ids],
    );
    for (const row of rows) payments.set(row.payment_id, row);
  }
  return payments;
}

/**
 * Each key with the payment of its transaction, locked. The fence rows of these keys are ours, so the ids are found
 * without a lock.
 *
 * @throws if the fence has an effect without a payment. Then the whole set is rolled back.
 */
export async function lockPaymentsOf(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<readonly { readonly key: StepKey; readonly payment: Payment }[]> {
  const ids = new Map<Gid, BusinessId>();
  for (const gids of chunksOf([...new Set(keys.map((key) => effectOf(key).gid))].sort())) {
    const rows = await sql.select<{ readonly gid: Gid; readonly payment_id: BusinessId }>(
      'SELECT gid, payment_id FROM payments FORCE INDEX (by_effect) WHERE gid IN (?)',
      [gids],
    );
    for (const { gid, payment_id } of rows) ids.set(gid, payment_id);
  }
  const payments = await lockPayments(sql, [...ids.values()]);
  return keys.map((key) => {
    const payment = payments.get(ids.get(effectOf(key).gid) ?? '');
    if (!payment) throw new Error(`${key} has no payment.`);
    return { key, payment };
  });
}

/** Why a request cannot be about this payment; `undefined`: it can. A defect in each case, for a person. */
export function paymentMismatch(
  payment: Payment | undefined,
  { key, paymentId }: { readonly key: StepKey; readonly paymentId: BusinessId },
  statuses: readonly PaymentStatus[],
): string | undefined {
  if (payment?.gid !== effectOf(key).gid) return `Payment ${paymentId} is not of this transaction.`;
  return statuses.includes(payment.status)
    ? undefined
    : `Payment ${paymentId} is ${payment.status}.`;
}

/** At most `minorUnitsMax`, which a number holds. */
export const moneyOf = ({ currency, amount }: Pick<Payment, 'currency' | 'amount'>): Money => ({
  currency,
  minorUnits: Number(amount),
});

/** Decision of an act on one request: a change of a payment and the answer, or a failure. */
export type PaymentDecision<Result> =
  { readonly change: PaymentChange; readonly result: Result } | Decided<never>;

/** Makes the changes of the accepted requests; gives each request its answer, with the event of its change. */
export async function carryOut<Result>(
  sql: SqlTransaction,
  decisions: readonly PaymentDecision<Result>[],
): Promise<readonly Decided<Result, AccountsEvent>[]> {
  const events = await changePayments(
    sql,
    decisions.flatMap((decision) => ('change' in decision ? [decision.change] : [])),
  );
  return decisions.map((decision) => {
    if (!('change' in decision)) return decision;
    const { key } = decision.change;
    return { key, ok: true, result: decision.result, event: events.get(key) ?? null };
  });
}

export async function existingPayments(
  sql: SqlTransaction,
  paymentIds: readonly BusinessId[],
): Promise<Set<BusinessId>> {
  const existing = new Set<BusinessId>();
  for (const ids of chunksOf([...paymentIds].sort())) {
    const rows = await sql.select<{ readonly payment_id: BusinessId }>(
      'SELECT payment_id FROM payments FORCE INDEX (PRIMARY) WHERE payment_id IN (?)',
      [ids],
    );
    for (const { payment_id } of rows) existing.add(payment_id);
  }
  return existing;
}

/** Pending payments, each with the first entry of its audit. */
export async function insertPayments(
  sql: SqlTransaction,
  requests: readonly OpenPayment[],
): Promise<void> {
  if (requests.length === 0) return;
  const at = await timeOf(sql);
  const audit = requests.flatMap((request) => {
    const { key, paymentId, payerId, payeeId, amount, requestedBy: actor } = request;
    const details = { payerId, payeeId, ...digits(amount) };
    const entry = entryOf({ key, actor, what: 'payment.opened', details }, at);
    return chained(paymentId, auditStart, [entry]);
  });
  for (const values of chunksOf(requests.map((request, of) => columnsOf(request, audit[of])))) {
    await sql.change(
      `INSERT INTO payments (payment_id, tenant, payer_id, payee_id, currency, amount, description, requested_by, gid,
                             branch, audit_seq, audit_head) VALUES ?`,
      [values],
    );
  }
  await appendAudit(sql, audit);
}

async function timeOf(sql: SqlTransaction): Promise<Date> {
  const [row] = await sql.select<{ readonly at: Date }>('SELECT UTC_TIMESTAMP(3) AS at');
  if (!row) throw new Error('MySQL tells no time.');
  return row.at;
}

function columnsOf(request: OpenPayment, last: AuditRow | undefined): readonly unknown[] {
  const { key, paymentId, payerId, payeeId, amount, description, requestedBy } = request;
  const { gid, branch } = effectOf(key);
  const tenant = partsOfBusinessId(paymentId)?.tenant;
  const money = [amount.currency, amount.minorUnits];
  const head = [last?.seq, last?.hash];
  const parties = [payerId, payeeId];
  return [paymentId, tenant, ...parties, ...money, description, requestedBy, gid, branch, ...head];
}

/**
 * Changes payments that are locked, one relative update for all of them, and writes the audit of each change. Changes
 * of one payment are summed, their entries follow each other. What a status may become, and what the sums may be, is
 * held by the table itself.
 *
 * @returns the event of each change, by its key.
 */
export async function changePayments(
  sql: SqlTransaction,
  changes: readonly PaymentChange[],
): Promise<ReadonlyMap<StepKey, AccountsEvent>> {
  const audit: AuditRow[] = [];
  const rows = byPayment(changes).map(([payment, own]) => {
    const head = { seq: payment.audit_seq, hash: payment.audit_head };
    const entries = own.map((change) => entryOf(change, payment.locked_at));
    const chain = chained(payment.payment_id, head, entries);
    audit.push(...chain);
    return changedColumns(payment, own, chain.at(-1));
  });
  for (const chunk of chunksOf(rows)) {
    const changed = await sql.change(
      `UPDATE (VALUES ${chunk.map(() => 'ROW(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)').join(', ')})
           AS d (id, status, hold_branch, captured, refunding, refunded, charging_back, charged_back, audit_seq,
                 audit_head)
         STRAIGHT_JOIN payments p FORCE INDEX (PRIMARY) ON p.payment_id = CAST(d.id AS BINARY)
         SET p.status = d.status, p.hold_branch = d.hold_branch, p.captured = p.captured + d.captured,
             p.refunding = p.refunding + d.refunding, p.refunded = p.refunded + d.refunded,
             p.charging_back = p.charging_back + d.charging_back, p.charged_back = p.charged_back + d.charged_back,
             p.audit_seq = d.audit_seq, p.audit_head = d.audit_head`,
      chunk.flat(),
    );
    expectRows('payments', changed, chunk.length);
  }
  await appendAudit(sql, audit);
  return new Map(changes.map((change) => [change.key, eventOf(change)]));
}

function eventOf({
  payment,
  what,
  status = payment.status,
  details,
}: PaymentChange): AccountsEvent {
  const data = { paymentId: payment.payment_id, status, ...details };
  return { type: what, data } as AccountsEvent; // `PaymentNews`: these details are of this event.
}

/** In key order; the changes of one payment in the order in which they came. */
function byPayment(
  changes: readonly PaymentChange[],
): readonly (readonly [Payment, readonly PaymentChange[]])[] {
  const groups = new Map<BusinessId, PaymentChange[]>();
  for (const change of changes) {
    const { payment_id } = change.payment;
    groups.set(payment_id, [...(groups.get(payment_id) ?? []), change]);
  }
  return [...groups]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([, own]) => (own[0] ? [[own[0].payment, own] as const] : []));
}

function changedColumns(
  payment: Payment,
  changes: readonly PaymentChange[],
  last: AuditRow | undefined,
): readonly unknown[] {
  const sum = (sumOf: 'captured' | 'refunding' | 'refunded' | 'chargingBack' | 'chargedBack') =>
    changes.reduce((total, change) => total + (change[sumOf] ?? 0n), 0n);
  return [
    payment.payment_id,
    changes.findLast(({ status }) => status)?.status ?? payment.status,
    changes.findLast(({ holdBranch }) => holdBranch)?.holdBranch ?? payment.hold_branch,
    sum('captured'),
    sum('refunding'),
    sum('refunded'),
    sum('chargingBack'),
    sum('chargedBack'),
    last?.seq,
    last?.hash,
  ];
}

function entryOf(
  {
    key,
    actor,
    what,
    details,
  }: Omit<AuditEntry, 'at' | 'details'> & {
    readonly key: StepKey;
    readonly details?: object | undefined;
  },
  at: Date,
): AuditEntry {
  return { at, actor, what, details: { ...effectOf(key), ...details } };
}

/** Money as digits, for events and audit: not every reader reads large JSON numbers exactly. */
export const digits = ({ currency, minorUnits }: Money) => ({
  currency,
  amount: String(minorUnits),
});
