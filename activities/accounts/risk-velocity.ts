/**
 * Counts payments of a payer in windows: in Redis, or in MySQL while Redis does not answer. So an outage neither
 * refuses payments nor lets them through. Windows do not overlap. The opening time of a payment decides its window, so
 * it counts in one window whenever it is assessed.
 */
import type { BusinessId, StepKey } from '../../contracts/engine/ids';
import type { RiskPolicy } from '../../contracts/participants/risk';
import type { SqlTransaction } from '../fence/participant';
import { chunksOf } from '../fence/set-statements';
import { AllowancesUnavailable, type AllowanceStore, type Claim } from './allowance-store';
import type { Payment } from './payments-store';

/** A payment, and the policy of its request. */
export interface Measured {
  readonly key: StepKey;
  readonly payment: Payment;
  readonly policy: RiskPolicy;
}

export interface Velocity {
  /** The payer's window, as the assessment keeps it. */
  readonly allowance: string;
  /** The payment was within the allowance, and took one of it. */
  readonly taken: boolean;
  readonly countedIn: 'redis' | 'mysql';
}

/** Velocity in a stored assessment. */
export interface TakenVelocity {
  readonly key: StepKey;
  readonly allowance: string;
}

export interface VelocityMeter {
  /** Counts each payment in, in order; the same payment once. */
  take(sql: SqlTransaction, payments: readonly Measured[]): Promise<ReadonlyMap<StepKey, Velocity>>;
  /** Counts payments out again. If Redis does not answer, its counter stays too high until the window ends. */
  giveBack(taken: readonly TakenVelocity[]): Promise<void>;
}

/** @param unavailable called for every set that Redis did not count. */
export function createVelocityMeter({
  allowances,
  unavailable,
}: {
  readonly allowances: AllowanceStore;
  readonly unavailable: (error: AllowancesUnavailable) => void;
}): VelocityMeter {
  /** @returns `undefined`: Redis is away. */
  const ask = async <Answer>(call: () => Promise<Answer>): Promise<Answer | undefined> => {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof AllowancesUnavailable)) throw error;
      unavailable(error);
      return undefined;
    }
  };
  return {
    async take(sql, payments) {
      const claims = payments.map(claimOf);
      const answers = await ask(() => allowances.take(claims, (scopes) => standing(sql, scopes)));
      const uncounted = payments.filter(({ key }) => answers?.get(key) === undefined);
      const ranks = await ranksOf(sql, uncounted);
      return new Map(
        payments.map(({ key, payment, policy }) => {
          const answer = answers?.get(key);
          const taken = answer ?? (ranks.get(payment.payment_id) ?? 0) < policy.velocity.max;
          const countedIn = answer === undefined ? 'mysql' : 'redis';
          return [key, { allowance: allowanceOf(payment, policy), taken, countedIn }] as const;
        }),
      );
    },
    async giveBack(taken) {
      const claims = taken.map(({ key, allowance }) => {
        return { key, scope: allowance, keepMs: keepMsOf(allowance) };
      });
      await ask(() => allowances.giveBack(claims));
    },
  };
}

/** A window whose counts in Redis and MySQL differ. */
export interface VelocityGap {
  readonly allowance: string;
  readonly redis: number;
  readonly mysql: number;
}

/**
 * For reconciliation: compares the counts of Redis with the assessments, for the given windows. A window without a
 * counter has no gap: the next payment rebuilds it. To repair a gap, delete the counter.
 */
export async function velocityGaps(
  sql: Pick<SqlTransaction, 'select'>,
  allowances: AllowanceStore,
  windows: readonly string[],
): Promise<readonly VelocityGap[]> {
  const counted = await allowances.taken(windows);
  const recorded = await standing(sql, windows);
  return windows.flatMap((allowance) => {
    const redis = counted.get(allowance);
    const mysql = recorded.get(allowance) ?? 0;
    return redis === undefined || redis === mysql ? [] : [{ allowance, redis, mysql }];
  });
}

/** `velocity/<payer>/<length of the window in ms>/<its number since 1970>`; the scope in Redis too. */
const allowanceOf = ({ payer_id, created_ms }: Payment, { velocity }: RiskPolicy): string =>
  `velocity/${payer_id}/${velocity.windowMs}/${Math.floor(Number(created_ms) / velocity.windowMs)}`;

/** A payment may be assessed, and taken back, some time after its window. */
const keepMsOf = (allowance: string): number => 2 * Number(allowance.split('/')[2]);

function claimOf({ key, payment, policy }: Measured): Claim {
  const allowance = allowanceOf(payment, policy);
  const { max } = policy.velocity;
  return { key, scope: allowance, quantity: 1, max, keepMs: keepMsOf(allowance) };
}

/** Count of each window by MySQL. */
async function standing(
  sql: Pick<SqlTransaction, 'select'>,
  allowances: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const chunk of chunksOf(allowances)) {
    const rows = await sql.select<{ readonly allowance: string; readonly n: string }>(
      `SELECT allowance, COUNT(*) AS n FROM risk_assessments FORCE INDEX (by_allowance)
         WHERE allowance IN (?) AND state = 'standing' AND taken = 1 GROUP BY allowance`,
      [chunk],
    );
    for (const { allowance, n } of rows) counts.set(allowance, Number(n));
  }
  return counts;
}

/**
 * How many payments of the payer stand before each in its window: all that were opened, so that payments that arrive
 * together while Redis is away count each other. Counted up to what is allowed.
 */
async function ranksOf(
  sql: SqlTransaction,
  payments: readonly Measured[],
): Promise<ReadonlyMap<BusinessId, number>> {
  const ranks = new Map<BusinessId, number>();
  for (let at = 0; at < payments.length; at += ranksPerStatement) {
    const some = payments.slice(at, at + ranksPerStatement);
    const rows = await sql.select<{ readonly id: BusinessId; readonly n: string }>(
      some.map(() => rankStatement).join(' UNION ALL '),
      some.flatMap(({ payment, policy }) => {
        const { payment_id, payer_id, created_ms } = payment;
        const created = Number(created_ms);
        const window = [startMs(payment, policy), created, created, payment_id];
        return [payment_id, payer_id, ...window, policy.velocity.max];
      }),
    );
    for (const { id, n } of rows) ranks.set(id, Number(n));
  }
  return ranks;
}

/** Each is planned by itself, so that its window is a range of the index, however long the payer's history is. */
const rankStatement = `
  (SELECT CAST(? AS BINARY) AS id, COUNT(*) AS n FROM (
     SELECT 1 FROM payments FORCE INDEX (by_payer)
       WHERE payer_id = ? AND created_at >= FROM_UNIXTIME(? / 1000) AND created_at <= FROM_UNIXTIME(? / 1000)
         AND (created_at < FROM_UNIXTIME(? / 1000) OR payment_id < ?)
         AND status NOT IN ('declined', 'failed')
       LIMIT ?) AS few)`;
const ranksPerStatement = 100;

const startMs = ({ created_ms }: Payment, { velocity: { windowMs } }: RiskPolicy): number =>
  Math.floor(Number(created_ms) / windowMs) * windowMs;
