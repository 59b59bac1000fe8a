/**
 * The point of no return of a switch or rejoin, as the hub keeps it: one row a gid, written once and for good, in the SQL
 * transaction that compares and sets the cluster's row. Who asks whether it has happened gets the same answer for ever.
 */
import type { Gid } from '../../../contracts/engine/ids';
import type { SqlTransaction } from '../../fence/participant';
import { inSqlTransaction, type SqlPool } from '../../fence/sql-transaction';

/** What a switch was asked for: out of `from`, active in `epoch`, to `to`. */
export interface Move {
  readonly gid: Gid;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
}

/** What a rejoin was asked for: of `region`, while another one is active in `epoch`. */
export interface Rejoin {
  readonly gid: Gid;
  readonly region: string;
  readonly epoch: number;
}

/** `undefined`: nothing is decided yet. `never`: it was sealed, and cannot happen any more. */
export type Decision = 'happened' | 'never' | undefined;

/** The cluster's row, locked until COMMIT: whoever decides about its regions does so alone. */
export interface LockedRow {
  readonly region: string;
  readonly epoch: number;
  readonly state: string;
  readonly holder: Gid | null;
}

/** One decision about a cluster at a time: `work` gets its row, locked, and what was decided about `gid` before. */
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
 * Burns the epoch behind that of `move` for its target: the decision of a switch.
 *
 * @returns false: it was sealed, another one holds the row, or region or epoch are others than it was asked for.
 */
export const advanceEpoch = (accord: SqlPool, cluster: string, move: Move): Promise<boolean> =>
  deciding(accord, cluster, move.gid, async (sql, row, before) => {
    if (before) return before === 'happened';
    if (!(await burnFor(sql, cluster, move, row, move.to))) return false;
    await keep(sql, cluster, move.gid, 'happened', move.epoch + 1);
    return true;
  });

/**
 * Has this switch burnt its epoch? If not, it never will: the same epoch is burnt for the region that is active, where
 * the switch holds the row; elsewhere it cannot burn any, nor begin.
 */
export const sealSwitch = (accord: SqlPool, cluster: string, move: Move): Promise<boolean> =>
  deciding(accord, cluster, move.gid, async (sql, row, before) => {
    if (before) return before === 'happened';
    const isBurnt = await burnFor(sql, cluster, move, row, move.from);
    await keep(sql, cluster, move.gid, 'never', isBurnt ? move.epoch + 1 : row.epoch);
    return false;
  });

/** Has this rejoin begun? If not, it never will. */
export const sealRejoin = (accord: SqlPool, cluster: string, gid: Gid): Promise<boolean> =>
  deciding(accord, cluster, gid, async (sql, { epoch }, before) => {
    if (!before) await keep(sql, cluster, gid, 'never', epoch);
    return before === 'happened';
  });

/** Written by who has compared and set the cluster's row in the same SQL transaction. */
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

/** Compared on the locked row, and set: one of two that burn for different regions finds another epoch. */
async function burnFor(
  sql: SqlTransaction,
  cluster: string,
  { gid, from, to, epoch }: Move,
  row: LockedRow,
  region: string,
): Promise<boolean> {
  if (row.holder !== gid || row.epoch !== epoch || row.region !== from) return false;
  // What is promoted acknowledges alone. What stays as it was may have somebody who acknowledges.
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

/** As the column has it; `null`: there is no row. */
export const decisionOf = (happened: string | number | null): Decision =>
  happened === null ? undefined : Number(happened) === 1 ? 'happened' : 'never';

/** The limits of the SQL transaction bound it. */
const unhurried = () => ({ signal: new AbortController().signal, deadline: Infinity });
