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

/** A start that was sent is given this long to be confirmed by the process that sent it. */
const confirmWithinSeconds = 10;
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

/** The run exists in Temporal. Its input stays until it has ended: who finds the run gone tells it again. Safe to repeat. */
export async function confirmStart(database: Database, gid: Gid): Promise<void> {
  await database.change(
    `UPDATE runs SET version = version + (state = 'accepted'), state = IF(state = 'accepted', 'running', state),
       start_confirmed_at = UTC_TIMESTAMP(3)
     WHERE gid = ? AND start_confirmed_at IS NULL`,
    [gid],
  );
}

/** Starts that were not confirmed in time, oldest first. */
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
     WHERE start_confirmed_at IS NULL AND ended_at IS NULL AND input IS NOT NULL AND lane = 'single'
       AND (start_sent_at < UTC_TIMESTAMP(3) - INTERVAL ${confirmWithinSeconds} SECOND
         OR (start_sent_at IS NULL AND accepted_at < UTC_TIMESTAMP(3) - INTERVAL ${sendWithinSeconds} SECOND))
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

/** Starts that Temporal has not confirmed, up to `max`. */
export const backlog = (database: Database, max: number): Promise<number> =>
  countOf(
    database,
    'SELECT 1 FROM runs FORCE INDEX (unconfirmed) WHERE start_confirmed_at IS NULL LIMIT ?',
    [max],
  );
