/** Assessments and reviews of payments: `risk_assessments`, `payment_reviews`. Written once; an undo sets a mark. */
import type { BusinessId, StepKey } from '../../contracts/engine/ids';
import type { RecordReview } from '../../contracts/participants/payments';
import type { RiskAssessment, RiskPolicy } from '../../contracts/participants/risk';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import type { Payment } from './payments-store';
import type { TakenVelocity, Velocity } from './risk-velocity';

/** An assessment as it is stored. */
export interface Assessed {
  readonly key: StepKey;
  readonly payment: Payment;
  readonly policy: RiskPolicy;
  readonly velocity: Velocity;
  readonly assessment: RiskAssessment;
}

/** Assessment and review of a payment; left out: none. */
export interface AssessmentsAndReviews {
  readonly assessment?: RiskAssessment & { readonly state: 'standing' | 'cleared' };
  readonly review?: Pick<RecordReview, 'decision' | 'note'> & {
    readonly state: 'standing' | 'withdrawn';
  };
}

export async function insertAssessments(
  sql: SqlTransaction,
  assessed: readonly Assessed[],
): Promise<void> {
  const rows = assessed.map(({ key, payment, policy, velocity, assessment }) => {
    const { gid, branch } = effectOf(key);
    const { decision, score, reasons } = assessment;
    const { allowance, taken, countedIn } = velocity;
    const said = [decision, score, JSON.stringify(reasons), JSON.stringify(policy)];
    const counted = [allowance, taken ? 1 : 0, countedIn];
    return [gid, branch, payment.payment_id, payment.tenant, ...said, ...counted];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO risk_assessments
         (gid, branch, payment_id, tenant, decision, score, reasons, policy, allowance, taken, counted_in) VALUES ?`,
      [values],
    );
  }
}

/** Marks assessments as cleared. @returns the velocity that they have to give back. */
export async function clearAssessments(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<readonly TakenVelocity[]> {
  const taken: TakenVelocity[] = [];
  for (const chunk of chunksOf([...keys].sort())) {
    const effects = chunk.map(nameOf);
    const rows = await sql.select<{ gid: string; branch: string; allowance: string }>(
      `SELECT gid, branch, allowance FROM risk_assessments FORCE INDEX (PRIMARY)
         WHERE (gid, branch) IN (?) AND state = 'standing' ORDER BY gid, branch FOR UPDATE`,
      [effects],
    );
    const changed = await sql.change(
      `UPDATE risk_assessments FORCE INDEX (PRIMARY) SET state = 'cleared' WHERE (gid, branch) IN (?)`,
      [effects],
    );
    expectRows('risk_assessments', changed, chunk.length);
    taken.push(
      ...rows.map(({ gid, branch, allowance }) => ({ key: `${gid}/${branch}`, allowance })),
    );
  }
  return taken;
}

export async function insertReviews(
  sql: SqlTransaction,
  reviews: readonly RecordReview[],
): Promise<void> {
  const rows = reviews.map(({ key, paymentId, decision, by, note }) => [
    ...nameOf(key),
    paymentId,
    decision,
    by,
    note,
  ]);
  for (const values of chunksOf(rows)) {
    await sql.change(
      'INSERT INTO payment_reviews (gid, branch, payment_id, decision, decided_by, note) VALUES ?',
      [values],
    );
  }
}

export async function withdrawReviews(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<void> {
  for (const chunk of chunksOf([...keys].sort())) {
    const changed = await sql.change(
      `UPDATE payment_reviews FORCE INDEX (PRIMARY) SET state = 'withdrawn' WHERE (gid, branch) IN (?)`,
      [chunk.map(nameOf)],
    );
    expectRows('payment_reviews', changed, chunk.length);
  }
}

/**
 * The caller has locked the payments, so no assessment or review is added meanwhile. The last one of each kind counts.
 */
export async function assessmentsAndReviews(
  sql: SqlTransaction,
  paymentIds: readonly BusinessId[],
): Promise<ReadonlyMap<BusinessId, AssessmentsAndReviews>> {
  const said = new Map<BusinessId, AssessmentsAndReviews>();
  for (const ids of chunksOf([...new Set(paymentIds)].sort())) {
    const assessments = await sql.select<
      { readonly payment_id: BusinessId } & Required<AssessmentsAndReviews>['assessment']
    >(
      `SELECT payment_id, decision, score, reasons, state FROM risk_assessments FORCE INDEX (by_payment)
         WHERE payment_id IN (?) ORDER BY created_at`,
      [ids],
    );
    for (const { payment_id, ...assessment } of assessments) {
      said.set(payment_id, { ...said.get(payment_id), assessment });
    }
    const reviews = await sql.select<
      { readonly payment_id: BusinessId } & Required<AssessmentsAndReviews>['review']
    >(
      `SELECT payment_id, decision, note, state FROM payment_reviews FORCE INDEX (by_payment)
         WHERE payment_id IN (?) ORDER BY created_at`,
      [ids],
    );
    for (const { payment_id, ...review } of reviews) {
      said.set(payment_id, { ...said.get(payment_id), review });
    }
  }
  return said;
}

const nameOf = (key: StepKey): readonly [string, string] => {
  const { gid, branch } = effectOf(key);
  return [gid, branch];
};
