/**
 * The decision of a switch or rejoin in the hub: one row for each gid, written once and for good. It is written in the
 * SQL transaction of the compare-and-set on the cluster's row. So every seal gets the same answer for ever.
 */
import type { Gid } from '../../../contracts/engine/ids';
import type { SqlTransaction } from '../../fence/participant';
import { inSqlTransaction, type SqlPool } from '../../fence/sql-transaction';

/** A switch from the region `from`, which is active in `epoch`, to the region `to`. */
export interface Move {
  readonly gid: Gid;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
}

/** A rejoin of `region`, while another region is active in `epoch`. */
export interface Rejoin {
  readonly gid: Gid;
  readonly region: string;
  readonly epoch: number;
}

/** `undefined`: not decided yet. `never`: it was sealed, and cannot happen any more. */
export type Decision = 'happened' | 'never' | undefined;

/** The cluster's row, locked until COMMIT: decisions about its regions are made one at a time. */
export interface LockedRow {
  readonly region: string;
  readonly epoch: number;
  readonly state: string;
  readonly holder: Gid | null;
}

/** Makes one decision about a cluster. `work` gets its locked row, and the earlier decision on `gid`. */
export const deciding = <Result>(
  accord: SqlPool,
  cluster: string,
  gid: Gid,
  work: (sql: SqlTransaction, row: LockedRow, before: Decision) => Promise<Result>,
): Promise<Result> =>
  inSqlTransaction(accord, unhurried(), async (sql) => {
    const [row] = await sql.select<{
      readonly region: string;
      readonly epoch: string | number;
      readonly state: string;
      readonly holder_gid: Gid | null;
    }>('SELECT region, epoch, state, holder_gid FROM cluster_state WHERE cluster = ? FOR UPDATE', [
      cluster,
    ]);
    if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
    const { region, state, holder_gid: holder } = row;
    const locked = { region, state, holder, epoch: Number(row.epoch) };
    return work(sql, locked, await decisionIn(sql, gid));
  });

/**
 * The decision of a switch: advances the epoch of `move` by one, for its target.
 *
 * @returns false: it was sealed, another one holds the row, or region or epoch have changed.
 */
export const advanceEpoch = (accord: SqlPool, cluster: string, move: Move): Promise<boolean> =>
  deciding(accord, cluster, move.gid, async (sql, row, before) => {
    if (before) return before === 'happened';
    if (!(await advanceEpochTo(sql, cluster, move, row, move.to))) return false;
    await keep(sql, cluster, move.gid, 'happened', move.epoch + 1);
    return true;
  });

/**
 * Answers whether this switch has advanced the epoch. If not, it never will. If the switch holds the row, the same
 * epoch goes to the active region. Otherwise the switch can neither advance an epoch nor begin.
 */
export const sealSwitch = (accord: SqlPool, cluster: string, move: Move): Promise<boolean> =>
  deciding(accord, cluster, move.gid, async (sql, row, before) => {
    if (before) return before === 'happened';
    const isBurnt = await advanceEpochTo(sql, cluster, move, row, move.from);
    await keep(sql, cluster, move.gid, 'never', isBurnt ? move.epoch + 1 : row.epoch);
    return false;
  });

/** Answers whether this rejoin has begun. If not, it never will. */
export const sealRejoin = (accord: SqlPool, cluster: string, gid: Gid): Promise<boolean> =>
  deciding(accord, cluster, gid, async (sql, { epoch }, before) => {
    if (!before) await keep(sql, cluster, gid, 'never', epoch);
    return before === 'happened';
  });

/** Stores a decision. Call it in the SQL transaction of the compare-and-set on the cluster's row. */
export async function keep(
  sql: SqlTransaction,
  cluster: string,
  gid: Gid,
  decision: NonNullable<Decision>,
  epoch: number,
): Promise<void> {
  await sql.change(
    `INSERT INTO region_decisions (gid, cluster, happened, epoch, decided_at) VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3))`,
    [gid, cluster, decision === 'happened' ? 1 : 0, epoch],
  );
}

/** Compare-and-set on the locked row: of two advances for different regions, the second one finds another epoch. */
async function advanceEpochTo(
  sql: SqlTransaction,
  cluster: string,
  { gid, from, to, epoch }: Move,
  row: LockedRow,
  region: string,
): Promise<boolean> {
  if (row.holder !== gid || row.epoch !== epoch || row.region !== from) return false;
  // A promoted region acknowledges alone. A region that stays active may have a standby that acknowledges.
  await sql.change(
    `UPDATE cluster_state SET epoch = ?, region = ?, sync = IF(?, 0, sync), changed_at = UTC_TIMESTAMP(3) WHERE cluster = ?`,
    [epoch + 1, region, region === to ? 1 : 0, cluster],
  );
  return true;
}

const decisionIn = async (sql: Pick<SqlTransaction, 'select'>, gid: Gid): Promise<Decision> => {
  const [row] = await sql.select<{ readonly happened: string | number }>(
    'SELECT happened FROM region_decisions WHERE gid = ?',
    [gid],
  );
  return decisionOf(row?.happened ?? null);
};

/** Reads the column. `null`: there is no row. */
export const decisionOf = (happened: string | number | null): Decision =>
  happened === null ? undefined : Number(happened) === 1 ? 'happened' : 'never';

/** Only the limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });
