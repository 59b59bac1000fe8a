/** How the start of an accepted run comes to Temporal: sent by one process, again until it is confirmed. */
import type { Gid } from '../../../contracts/engine/ids';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { withoutDeadlock, type Database, type Statements } from '../database';
import { countOf } from './counting';
import { inputOf } from './rows';

/** A start that was accepted as sent, with that mark of its row. */
export interface SentStart {
  /** Id of the workflow that it is to be sent under: its gid, or its batch. */
  readonly owner: string;
  readonly input: TransactionInput;
  readonly sentAt: Date;
}

/** All that is still to be started under one workflow id, claimed by this process. */
export interface ClaimedStart {
  readonly inputs: readonly TransactionInput[];
  /** Mark of the last send, for who gives it back; `null`: one of them was never sent. */
  readonly sentAt: Date | null;
}

/**
 * A start that was sent is given this long to be confirmed by the process that sent it. Longer than its send may take, so
 * that no other process sends it meanwhile; see `beginWithinMs` of the starter.
 */
const confirmWithinSeconds = 3;
/** A start that was not sent at all: longer than the way from COMMIT to the first send takes. */
const sendWithinSeconds = 1;

/**
 * Claims the sending of a start: of several processes that saw the same `sentAt`, one wins.
 * @returns false: another process sends it, it is confirmed, or it was cancelled.
 */
export async function claimSending(
  database: Database,
  gid: Gid,
  sentAt: Date | null,
): Promise<boolean> {
  const changed = await database.change(
    `UPDATE runs SET start_sent_at = UTC_TIMESTAMP(3)
     WHERE gid = ? AND start_sent_at <=> ? AND start_confirmed_at IS NULL AND ended_at IS NULL`,
    [gid, sentAt],
  );
  return changed === 1;
}

/** The claimed send failed: the rows are due again, for the first process that claims them. */
export async function giveBackSending(
  database: Database,
  gids: readonly Gid[],
  sentAt: Date,
): Promise<void> {
  await withoutDeadlock(() =>
    database.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET start_sent_at = ?
       WHERE gid IN (?) AND start_confirmed_at IS NULL ORDER BY gid`,
      [sentAt, gids],
    ),
  );
}

/**
 * Takes the mark of a first send away that was not made: the row is as one that was never sent, and due at once.
 * Compares the mark, for the starter may have sent the row meanwhile.
 */
export async function giveBackUnsent(
  database: Database,
  starts: readonly SentStart[],
): Promise<void> {
  const gids = starts.map(({ input }) => input.gid);
  const marks = starts.map(({ input, sentAt }) => [input.gid, sentAt]);
  await withoutDeadlock(() =>
    database.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET start_sent_at = NULL
       WHERE gid IN (?) AND (gid, start_sent_at) IN (?) AND start_confirmed_at IS NULL AND ended_at IS NULL
       ORDER BY gid`,
      [gids, marks],
    ),
  );
}

/**
 * The runs exist in Temporal. Their inputs stay until they have ended: who finds a run gone tells it again. Safe to
 * repeat.
 */
export async function confirmStarts(database: Database, gids: readonly Gid[]): Promise<void> {
  await withoutDeadlock(() =>
    database.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET version = version + (state = 'accepted'),
         state = IF(state = 'accepted', 'running', state), start_confirmed_at = UTC_TIMESTAMP(3)
       WHERE gid IN (?) AND start_confirmed_at IS NULL ORDER BY gid`,
      [gids],
    ),
  );
}

/** What a start still needs: it may be sent. */
const isOpen = 'start_confirmed_at IS NULL AND ended_at IS NULL AND input IS NOT NULL';
/** Starts that are due: not confirmed in time by the process that sent them, or not sent at all. */
const isDue = `${isOpen}
  AND (start_sent_at < UTC_TIMESTAMP(3) - INTERVAL ${confirmWithinSeconds} SECOND
    OR (start_sent_at IS NULL AND accepted_at < UTC_TIMESTAMP(3) - INTERVAL ${sendWithinSeconds} SECOND))`;

/** Rows that are read for each owner that is asked for: a full batch has 300 rows, a single start one. */
const rowsPerOwner = 10;

/**
 * Workflow ids whose starts are due, oldest first. The bound in rows decides only which owners are found: whoever claims
 * one gets all of its rows.
 */
export async function dueOwners(database: Database, limit: number): Promise<readonly string[]> {
  const rows = await database.select<{ readonly owner: string }>(
    `SELECT owner FROM runs FORCE INDEX (unconfirmed) WHERE ${isDue}
     ORDER BY start_confirmed_at, start_sent_at LIMIT ?`,
    [limit * rowsPerOwner],
  );
  return [...new Set(rows.map(({ owner }) => owner))].slice(0, limit);
}

/**
 * Claims the sending of all that is still to be started under one workflow id, or of none of it: Temporal takes a start
 * under an id once, so rows that are left out of it would be lost. One of several processes wins.
 *
 * @returns undefined: another process sends it, or nothing is left to be sent.
 */
export const claimOwner = (database: Database, owner: string): Promise<ClaimedStart | undefined> =>
  withoutDeadlock(() => database.transaction((sql) => claimRowsOf(sql, owner)));

async function claimRowsOf(sql: Statements, owner: string): Promise<ClaimedStart | undefined> {
  // No row comes to an owner later, so these are all. They are locked by primary key and in its order, as everywhere.
  const all = await sql.select<{ readonly gid: Gid }>(
    'SELECT gid FROM runs FORCE INDEX (by_owner) WHERE owner = ?',
    [owner],
  );
  if (all.length === 0) return undefined;
  const rows = await sql.select<OpenRow>(
    `SELECT gid, input, start_sent_at AS sentAt, ${isDue} AS isDue FROM runs FORCE INDEX (PRIMARY)
     WHERE gid IN (?) AND owner = ? AND ${isOpen} ORDER BY gid FOR UPDATE`,
    [all.map(({ gid }) => gid), owner],
  );
  if (!rows.some((row) => row.isDue === 1)) return undefined;
  await sql.change(
    'UPDATE runs FORCE INDEX (PRIMARY) SET start_sent_at = UTC_TIMESTAMP(3) WHERE gid IN (?)',
    [rows.map(({ gid }) => gid)],
  );
  return { inputs: rows.map(({ input }) => inputOf(input)), sentAt: oldestOf(rows) };
}

interface OpenRow {
  readonly gid: Gid;
  readonly input: Buffer;
  readonly sentAt: Date | null;
  readonly isDue: 0 | 1;
}

/** `null`, if one of them has no mark. */
const oldestOf = (rows: readonly OpenRow[]): Date | null =>
  rows
    .map(({ sentAt }) => sentAt)
    .reduce((a, b) => (a === null || b === null ? null : a < b ? a : b));

/** Runs that ended before their start was confirmed: nothing is owed, and nothing may be started again. */
export async function confirmEnded(database: Database, limit: number): Promise<void> {
  const ended = await database.select<{ readonly gid: Gid }>(
    `SELECT gid FROM runs FORCE INDEX (unconfirmed_ended)
       WHERE start_confirmed_at IS NULL AND ended_at IS NOT NULL LIMIT ?`,
    [limit],
  );
  if (ended.length === 0) return;
  // The statement locks rows by primary key and in its order, as all others do. A walk along the index of unconfirmed
  // starts would lock what confirmations of starts change, in the other order.
  await withoutDeadlock(() =>
    database.change(
      `UPDATE runs FORCE INDEX (PRIMARY) SET start_confirmed_at = UTC_TIMESTAMP(3), input = NULL
       WHERE gid IN (?) AND start_confirmed_at IS NULL AND ended_at IS NOT NULL ORDER BY gid`,
      [ended.map(({ gid }) => gid)],
    ),
  );
}

/** Starts that are due, up to `max`. Those that are just being sent wait for nobody. */
export const backlog = (database: Database, max: number): Promise<number> =>
  countOf(database, `SELECT 1 FROM runs FORCE INDEX (unconfirmed) WHERE ${isDue} LIMIT ?`, [max]);
