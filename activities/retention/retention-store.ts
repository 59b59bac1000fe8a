/** SQL of retention, in bounded statements. Rows are deleted only by their expiry, never by a name. */
import type { Gid } from '../../contracts/engine/ids';
import type { FenceCursor } from '../../contracts/engine/retention';
import type { SqlPool } from '../fence/sql-transaction';

const rowsOfPage = 1_000;
const rowsOfDelete = 1_000;
const deletesOfCall = 20;
/** Younger rows probably belong to open transactions. */
const lookAtOlderThanSeconds = 3_600;

interface Row {
  readonly gid: Gid;
  /** Whether it reserves something, and was neither confirmed nor undone. */
  readonly isOpen: boolean;
}

interface PageRow {
  readonly gid: Gid;
  readonly branch: string;
  /** As digits: the result of a comparison. */
  readonly is_open: string;
  readonly created_at: string;
}

/** Rows without an expiry, oldest first. */
export async function pageOf(
  pool: SqlPool,
  after: FenceCursor | null,
): Promise<{ readonly rows: readonly Row[]; readonly next: FenceCursor | null }> {
  const from = after ?? { createdAt: '1970-01-01 00:00:00.000', gid: '', branch: '' };
  const found = await pool.select<PageRow>(
    `SELECT gid, branch, state = 'acted' AND reserves = 1 AS is_open,
            DATE_FORMAT(created_at, '%Y-%m-%d %H:%i:%s.%f') AS created_at
       FROM fence FORCE INDEX (sweep)
       WHERE expires_at IS NULL AND created_at >= CAST(? AS DATETIME(3)) AND created_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND
         AND (created_at, gid, branch) > (CAST(? AS DATETIME(3)), ?, ?)
       ORDER BY fence.created_at, gid, branch LIMIT ?`, // The column, because the alias of the same name is text.
    [from.createdAt, lookAtOlderThanSeconds, from.createdAt, from.gid, from.branch, rowsOfPage],
  );
  const last = found.length === rowsOfPage ? found.at(-1) : undefined;
  return {
    rows: found.map(({ gid, is_open }) => ({ gid, isOpen: Number(is_open) === 1 })),
    next: last ? { createdAt: last.created_at, gid: last.gid, branch: last.branch } : null,
  };
}

/** Ended transactions by `accord`. Parked, open and unknown ones have not ended. */
export async function endedAmong(accord: SqlPool, gids: readonly Gid[]): Promise<ReadonlySet<Gid>> {
  if (gids.length === 0) return new Set();
  const rows = await accord.select<{ readonly gid: Gid }>(
    'SELECT gid FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?) AND ended_at IS NOT NULL',
    [[...new Set(gids)]],
  );
  return new Set(rows.map(({ gid }) => gid));
}

/** @returns the number of rows that have an expiry now. */
export async function stampRows(
  pool: SqlPool,
  gids: readonly Gid[],
  keepMs: number,
): Promise<number> {
  if (gids.length === 0) return 0;
  return pool.change(
    `UPDATE fence FORCE INDEX (PRIMARY) SET expires_at = UTC_TIMESTAMP(3) + INTERVAL ? SECOND
       WHERE gid IN (?) AND expires_at IS NULL AND NOT (state = 'acted' AND reserves = 1)`,
    [Math.ceil(keepMs / 1_000), gids],
  );
}

export async function deleteExpiredRows(
  pool: SqlPool,
): Promise<{ readonly deleted: number; readonly more: boolean }> {
  let deleted = 0;
  for (let call = 0; call < deletesOfCall; call += 1) {
    const gone = await pool.change(
      'DELETE FROM fence WHERE expires_at < UTC_TIMESTAMP(3) ORDER BY expires_at LIMIT ?',
      [rowsOfDelete],
    );
    deleted += gone;
    if (gone < rowsOfDelete) return { deleted, more: false };
  }
  return { deleted, more: true };
}

/** The row stays: its reference refuses a second effect for good. */
export async function expireKeys(
  accord: SqlPool,
  liveMs: number,
): Promise<{ readonly expired: number; readonly more: boolean }> {
  const found = await accord.select<{ readonly gid: Gid }>(
    `SELECT gid FROM runs FORCE INDEX (keys_by_age)
       WHERE keyed_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND AND ended_at IS NOT NULL
       ORDER BY keyed_at LIMIT ?`,
    [Math.ceil(liveMs / 1_000), rowsOfDelete],
  );
  if (found.length === 0) return { expired: 0, more: false };
  const expired = await accord.change(
    'UPDATE runs FORCE INDEX (PRIMARY) SET idempotency_key = NULL WHERE gid IN (?) AND idempotency_key IS NOT NULL',
    [found.map(({ gid }) => gid)],
  );
  return { expired, more: found.length === rowsOfDelete };
}
