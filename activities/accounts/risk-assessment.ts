/** Assessments of payments by the rules. The payment's row is locked first: one step of a payment at a time. */
import type { BusinessId, StepKey } from '../../contracts/engine/ids';
import type { AssessRisk } from '../../contracts/participants/payments';
import type { RiskAssessment } from '../../contracts/participants/risk';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf } from '../fence/set-statements';
import { broken } from './money-rows';
import {
  carryOut,
  changePayments,
  lockPayments,
  lockPaymentsOf,
  systemActor,
  moneyOf,
  paymentMismatch,
  type Payment,
  type PaymentChange,
} from './payments-store';
import { assess } from './risk-rules';
import { clearAssessments, insertAssessments, type Assessed } from './risk-store';
import type { Measured, VelocityMeter } from './risk-velocity';
import type { AccountsEvent } from './events';

/** `assessRisk`: runs every rule and stores the reasons. Measured facts are no part of the content: they may change. */
export const assessRisk = (
  meter: VelocityMeter,
): ActImplementation<AssessRisk, RiskAssessment, AccountsEvent> => ({
  content: ({ paymentId, payerId, payeeId, amount, policy }) => ({
    paymentId,
    payerId,
    payeeId,
    amount,
    policy,
  }),
  rows: () => 3, // The assessment, the payment and its audit.
  async effect(sql, requests) {
    const payments = await lockPayments(
      sql,
      requests.map(({ paymentId }) => paymentId),
    );
    const measured = requests.flatMap((request) => {
      const payment = payments.get(request.paymentId);
      const isFit = payment && !paymentMismatch(payment, request, ['pending']);
      return isFit ? [{ key: request.key, payment, policy: request.policy }] : [];
    });
    const assessed = await assessAll(sql, meter, measured);
    await insertAssessments(sql, [...assessed.values()]);
    return carryOut(
      sql,
      requests.map((request) => {
        const one = assessed.get(request.key);
        if (one) return { change: assessmentOf(one), result: one.assessment };
        const payment = payments.get(request.paymentId);
        return broken(request.key, paymentMismatch(payment, request, ['pending']) ?? '');
      }),
    );
  },
});

const assessmentOf = ({ key, payment, assessment }: Assessed): PaymentChange => ({
  key,
  payment,
  actor: systemActor,
  what: 'payment.assessed',
  details: assessment,
  ...(assessment.decision === 'review' && { status: 'review' }),
});

async function assessAll(
  sql: SqlTransaction,
  meter: VelocityMeter,
  measured: readonly Measured[],
): Promise<ReadonlyMap<StepKey, Assessed>> {
  if (measured.length === 0) return new Map();
  const payments = measured.map(({ payment }) => payment);
  const blocked = await blockedAmong(sql, payments);
  const known = await knownPairs(sql, payments);
  const velocities = await meter.take(sql, measured);
  return new Map(
    measured.map(({ key, payment, policy }) => {
      const velocity = velocities.get(key);
      if (!velocity) throw new Error(`${key} was not measured.`);
      const facts = {
        amount: moneyOf(payment),
        blocked: [payment.payer_id, payment.payee_id].flatMap((accountId) => {
          const reason = blocked.get(accountId);
          return reason === undefined ? [] : [{ accountId, reason }];
        }),
        isVelocityExceeded: !velocity.taken,
        isPayeeKnown: known.has(pairOf(payment)),
      };
      return [key, { key, payment, policy, velocity, assessment: assess(facts, policy) }];
    }),
  );
}

/** Reasons, by account. */
async function blockedAmong(
  sql: SqlTransaction,
  payments: readonly Payment[],
): Promise<ReadonlyMap<BusinessId, string>> {
  const reasons = new Map<BusinessId, string>();
  const parties = new Set(payments.flatMap(({ payer_id, payee_id }) => [payer_id, payee_id]));
  for (const ids of chunksOf([...parties].sort())) {
    const rows = await sql.select<{ readonly account_id: BusinessId; readonly reason: string }>(
      'SELECT account_id, reason FROM blocked_accounts FORCE INDEX (PRIMARY) WHERE account_id IN (?)',
      [ids],
    );
    for (const { account_id, reason } of rows) reasons.set(account_id, reason);
  }
  return reasons;
}

const pairOf = ({ payer_id, payee_id }: Pick<Payment, 'payer_id' | 'payee_id'>): string =>
  `${payer_id}>${payee_id}`;

/** Pairs with a completed payment. One is enough: `LIMIT 1` keeps the look-up of a busy pair short. */
async function knownPairs(
  sql: SqlTransaction,
  payments: readonly Payment[],
): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  const pairs = new Map(payments.map((payment) => [pairOf(payment), payment]));
  for (const chunk of chunksOf([...pairs.values()])) {
    const rows = await sql.select<Pick<Payment, 'payer_id' | 'payee_id'>>(
      `SELECT CAST(d.payer_id AS CHAR) AS payer_id, CAST(d.payee_id AS CHAR) AS payee_id
         FROM (VALUES ${chunk.map(() => 'ROW(?, ?)').join(', ')}) AS d (payer_id, payee_id)
         WHERE (SELECT 1 FROM payments p FORCE INDEX (by_pair)
                  WHERE p.payer_id = CAST(d.payer_id AS BINARY) AND p.payee_id = CAST(d.payee_id AS BINARY)
                    AND p.status = 'completed' LIMIT 1) = 1`,
      chunk.flatMap(({ payer_id, payee_id }) => [payer_id, payee_id]),
    );
    for (const row of rows) known.add(pairOf(row));
  }
  return known;
}

/** `clearRisk`: the assessment no longer counts, and the payer's window gets one payment back. */
export const clearRisk = (meter: VelocityMeter): FollowUpImplementation<AccountsEvent> => ({
  async effect(sql, keys) {
    const undone = await lockPaymentsOf(sql, keys);
    await meter.giveBack(await clearAssessments(sql, keys));
    return changePayments(
      sql,
      undone.map((one) => ({ ...one, actor: systemActor, what: 'payment.riskCleared' })),
    );
  },
});
