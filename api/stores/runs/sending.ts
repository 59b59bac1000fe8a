/** How the start of an accepted run comes to Temporal: sent by one process, again until it is confirmed. */
import type { Gid } from '../../../contracts/engine/ids';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { withoutDeadlock, type Database } from '../database';
import { countOf } from './counting';
import { inputOf } from './rows';

/** A start that a process must send again. The claim compares its `sentAt` with the row. */
export interface UnconfirmedStart {
  readonly gid: Gid;
  readonly input: TransactionInput;
  readonly sentAt: Date | null;
}

/** A start that was accepted as sent, with that mark of its row. */
export interface SentStart {
  readonly input: TransactionInput;
  readonly sentAt: Date;
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

/** The claimed send failed: the row is due again, for the first process that claims it. */
export async function giveBackSending(database: Database, gid: Gid, sentAt: Date): Promise<void> {
  await database.change(
    'UPDATE runs SET start_sent_at = ? WHERE gid = ? AND start_confirmed_at IS NULL',
    [sentAt, gid],
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

/** Starts that are due: not confirmed in time by the process that sent them, or not sent at all. */
const isDue = `start_confirmed_at IS NULL AND ended_at IS NULL AND input IS NOT NULL AND lane = 'single'
  AND (start_sent_at < UTC_TIMESTAMP(3) - INTERVAL ${confirmWithinSeconds} SECOND
    OR (start_sent_at IS NULL AND accepted_at < UTC_TIMESTAMP(3) - INTERVAL ${sendWithinSeconds} SECOND))`;

/** Starts that are due, oldest first. */
export async function unconfirmedStarts(
  database: Database,
  limit: number,
): Promise<readonly UnconfirmedStart[]> {
  const rows = await database.select<{
    readonly gid: Gid;
    readonly input: Buffer;
    readonly sentAt: Date | null;
  }>(
    `SELECT gid, input, start_sent_at AS sentAt FROM runs FORCE INDEX (unconfirmed)
     WHERE ${isDue}
     ORDER BY start_confirmed_at, start_sent_at LIMIT ?`,
    [limit],
  );
  return rows.map(({ gid, input, sentAt }) => ({ gid, sentAt, input: inputOf(input) }));
}

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
