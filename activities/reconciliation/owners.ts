/** Who coordinates an open row, and how it is claimed for a run of its own where nobody does. */
import { isBatchId } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import { inSqlTransaction, type Budget, type SqlPool } from '../fence/sql-transaction';

/** A row, and the workflow that coordinates its transaction. */
export interface OwnedRow {
  readonly gid: Gid;
  /** Its gid, or the id of a batch. */
  readonly owner: string;
}

/** Whether the owner of a row runs, and a batch still carries the transaction. */
export type IsAlive = (row: OwnedRow) => Promise<boolean>;

const ownersOf = (accord: SqlPool, gids: readonly Gid[]): Promise<readonly OwnedRow[]> =>
  accord.select<OwnedRow>(
    'SELECT gid, owner FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?) AND ended_at IS NULL',
    [gids],
  );

/** Whether the row has ended, or its owner runs. */
export async function isCarried(accord: SqlPool, gid: Gid, isAlive: IsAlive): Promise<boolean> {
  const [row] = await ownersOf(accord, [gid]);
  return row === undefined || isAlive(row);
}

/**
 * Claims rows for new runs. It leaves out what a running batch carries: nothing else would refuse a run beside that one.
 * A single run is not asked for, since Temporal refuses a second one.
 */
export async function claimStarts(
  accord: SqlPool,
  budget: Budget,
  gids: readonly Gid[],
  isAlive: IsAlive,
): Promise<readonly Gid[]> {
  if (gids.length === 0) return [];
  const seen = await ownersOf(accord, gids);
  const asked = await Promise.all(
    seen.map(async (row) => (isBatchId(row.owner) && (await isAlive(row)) ? [] : [row])),
  );
  return claimRows(accord, budget, asked.flat());
}

/**
 * Compare-and-set against a cancel of an unsent row, and against another change of the owner. The cancel needs a row
 * without the mark, this one a row without an ending. So only one of them succeeds.
 */
const claimRows = (
  accord: SqlPool,
  budget: Budget,
  rows: readonly OwnedRow[],
): Promise<readonly Gid[]> =>
  inSqlTransaction(accord, budget, async (sql) => {
    if (rows.length === 0) return [];
    const owners = new Map(rows.map(({ gid, owner }) => [gid, owner]));
    const open = await sql.select<OwnedRow>(
      `SELECT gid, owner FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?) AND ended_at IS NULL ORDER BY gid FOR UPDATE`,
      [[...owners.keys()]],
    );
    const claimed = open.flatMap(({ gid, owner }) => (owners.get(gid) === owner ? [gid] : []));
    if (claimed.length === 0) return [];
    await sql.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET start_sent_at = UTC_TIMESTAMP(3), version = version + (lane = 'batch'),
         owner = gid, lane = 'single' WHERE gid IN (?)`,
      [claimed],
    );
    return claimed;
  });
