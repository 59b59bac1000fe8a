/**
 * The SQL of the table `fence`, for sets. Keys arrive sorted by (gid, branch). Every locking statement forces the
 * primary key: otherwise the optimizer scans a table below about 1,000 rows, and locks rows of other transactions.
 */
import { stepKeyOf, type Branch, type Gid, type StepKey } from '../../contracts/engine/ids';
import type { AmountAtRisk } from '../../contracts/engine/money';
import type { SqlTransaction } from './participant';
import { expectRows } from './set-statements';

export type FenceState = 'acted' | 'confirmed' | 'undone' | 'empty' | 'refused';

export interface Effect {
  readonly gid: Gid;
  readonly branch: Branch;
}

/** The row of an effect, locked. */
export interface FenceRow extends Effect {
  readonly state: FenceState;
  /** Token of the SQL transaction that inserted the row. */
  readonly token: Buffer;
  readonly contentHash: Buffer | null;
  readonly result: unknown;
  readonly reason: string | null;
  /** Age of the delivery that reads it, by the database's clock. */
  readonly ageMs: number;
}

/** Row that the first delivery inserts. */
export interface Entry extends Effect {
  readonly contentHash: Buffer | null;
  readonly amounts: readonly AmountAtRisk[];
}

/** Common values of the entries of one SQL transaction. */
export interface EntryOrigin {
  readonly state: 'acted' | 'empty';
  readonly reserves: boolean;
  /** New for every SQL transaction: the same token after a lost COMMIT answer would double the effect. */
  readonly token: Buffer;
  readonly epoch: number;
}

/**
 * Inserts rows, or counts the delivery on existing ones, and locks them in both cases. Only the token shows which rows
 * are new: the number of affected rows depends on a flag of the driver.
 */
export async function enterRows(
  sql: SqlTransaction,
  { state, reserves, token, epoch }: EntryOrigin,
  entries: readonly Entry[],
): Promise<void> {
  const rows = entries.map(({ gid, branch, contentHash, amounts }) => [
    gid,
    branch,
    state,
    reserves ? 1 : 0,
    token,
    contentHash,
    amountsAsJson(amounts),
    epoch,
  ]);
  await sql.change(
    `INSERT INTO fence (gid, branch, state, reserves, attempt_token, content_hash, amounts, epoch) VALUES ?
       ON DUPLICATE KEY UPDATE deliveries = deliveries + 1, expires_at = NULL`,
    [rows],
  );
}

interface SelectedRow extends Effect {
  readonly state: FenceState;
  readonly attempt_token: Buffer;
  readonly content_hash: Buffer | null;
  readonly result: unknown;
  readonly reason: string | null;
  readonly age_ms: string;
}

/** Locks and reads the rows of these effects. An effect without a row is left out. */
export async function lockRows(
  sql: SqlTransaction,
  effects: readonly Effect[],
  issuedAt: number,
): Promise<ReadonlyMap<StepKey, FenceRow>> {
  const rows = await sql.select<SelectedRow>(
    `SELECT gid, branch, state, attempt_token, content_hash, result, reason,
            CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) - ? AS age_ms
       FROM fence FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?) ORDER BY gid, branch FOR UPDATE`,
    [Math.round(issuedAt), namesOf(effects)],
  );
  return new Map(
    rows.map(({ gid, branch, state, attempt_token, content_hash, result, reason, age_ms }) => [
      stepKeyOf(gid, branch),
      {
        gid,
        branch,
        state,
        token: attempt_token,
        contentHash: content_hash,
        result,
        reason,
        ageMs: Number(age_ms),
      },
    ]),
  );
}

/** The answer of an act, stored in its own new row. */
export interface Answer extends Effect {
  readonly state: 'acted' | 'refused';
  readonly result: unknown;
  readonly reason: string | null;
}

export async function storeAnswers(sql: SqlTransaction, answers: readonly Answer[]): Promise<void> {
  if (answers.length === 0) return;
  const rows = answers.map(({ gid, branch, state, reason, result }) => [
    gid,
    branch,
    state,
    reason,
    JSON.stringify(result),
  ]);
  const changed = await sql.change(
    `UPDATE (VALUES ${rows.map(() => 'ROW(?, ?, ?, ?, ?)').join(', ')}) AS d (gid, branch, state, reason, result)
       STRAIGHT_JOIN fence f FORCE INDEX (PRIMARY)
         ON f.gid = CAST(d.gid AS BINARY) AND f.branch = CAST(d.branch AS BINARY)
       SET f.state = d.state, f.reason = d.reason, f.result = d.result`,
    rows.flat(),
  );
  expectRows('fence', changed, rows.length);
}

/** Moves rows to a state, also rows that are in it already: this clears their expiry. */
export async function moveRows(
  sql: SqlTransaction,
  effects: readonly Effect[],
  state: 'confirmed' | 'undone' | 'empty',
): Promise<void> {
  if (effects.length === 0) return;
  await sql.change(
    `UPDATE fence FORCE INDEX (PRIMARY) SET state = ?, expires_at = NULL WHERE (gid, branch) IN (?)`,
    [state, namesOf(effects)],
  );
}

/** Removes own new rows: nothing of their acts happened, and the acts may be delivered again. */
export async function removeRows(sql: SqlTransaction, effects: readonly Effect[]): Promise<void> {
  if (effects.length === 0) return;
  // A DELETE … WHERE … IN may scan in spite of the hint, and lock rows of other transactions. A join does not.
  const removed = await sql.change(
    `DELETE f FROM (VALUES ${effects.map(() => 'ROW(?, ?)').join(', ')}) AS d (gid, branch)
       STRAIGHT_JOIN fence f FORCE INDEX (PRIMARY)
         ON f.gid = CAST(d.gid AS BINARY) AND f.branch = CAST(d.branch AS BINARY)`,
    namesOf(effects).flat(),
  );
  expectRows('fence', removed, effects.length);
}

const namesOf = (effects: readonly Effect[]): readonly (readonly [Gid, Branch])[] =>
  effects.map(({ gid, branch }) => [gid, branch]);

/** Money as digits in a string: not every reader of the column reads large JSON numbers exactly. */
function amountsAsJson(amounts: readonly AmountAtRisk[]): string | null {
  if (amounts.length === 0) return null;
  return JSON.stringify(
    amounts.map((amount) =>
      amount.kind === 'stock' ? amount : { ...amount, minorUnits: String(amount.minorUnits) },
    ),
  );
}
