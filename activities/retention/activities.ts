import type { RetentionActivities } from '../../contracts/engine/retention';
import { poolOfParticipant, type FencedDatabases } from '../fence/databases';
import type { SqlPool } from '../fence/sql-transaction';
import { deleteExpiredRows, endedAmong, expireKeys, pageOf, stampRows } from './retention-store';

const dayMs = 24 * 3_600_000;

/** How long idempotency keys live: the promise of the API. */
export const idempotencyKeysLiveMs = 7 * dayMs;

/** The fence refuses a delivery older than this, so a row must outlive it. */
const attemptAgeMaxMs = dayMs;

/**
 * Checks the time for which fence rows are kept. A reset run, an old attempt and a repeated request may still deliver,
 * and must find their row.
 *
 * @throws RangeError, one sentence, if the time is too short.
 */
export function demandKeep(keepMs: number, temporalRetentionMs: number): void {
  const least = Math.max(temporalRetentionMs + attemptAgeMaxMs + dayMs, idempotencyKeysLiveMs);
  if (keepMs >= least) return;
  throw new RangeError(
    `Fence rows would be kept for ${keepMs / dayMs} days; with Temporal's retention of ` +
      `${temporalRetentionMs / dayMs} days it must be ${least / dayMs} days at least (FENCE_KEEP_DAYS).`,
  );
}

/** @param keepMs counted from the time when retention found the transaction ended. */
export function createRetentionActivities({
  databases,
  keepMs,
}: {
  readonly databases: FencedDatabases;
  readonly keepMs: number;
}): RetentionActivities {
  const poolOf = (participant: string): SqlPool => poolOfParticipant(databases, participant);
  return {
    participants: () => Promise.resolve(Object.keys(databases)),
    async stampFence({ participant, after }) {
      const pool = poolOf(participant);
      const page = await pageOf(pool, after);
      const ended = await endedAmong(
        databases.accord,
        page.rows.map(({ gid }) => gid),
      );
      const over = page.rows.filter(({ gid }) => ended.has(gid));
      const leaked = over.filter(({ isOpen }) => isOpen).length;
      const gids = [...new Set(over.map(({ gid }) => gid))].sort();
      return { stamped: await stampRows(pool, gids, keepMs), leaked, next: page.next };
    },
    deleteExpired: ({ participant }) => deleteExpiredRows(poolOf(participant)),
    expireKeys: () => expireKeys(databases.accord, idempotencyKeysLiveMs),
  };
}
