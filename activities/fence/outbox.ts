import { eventIdOf, type Branch, type Gid } from '../../contracts/engine/ids';
import type { OutboxEvent, SqlTransaction } from './participant';
import { chunksOf } from './set-statements';

/** An event with the effect that it tells of. */
export interface EffectEvent {
  readonly gid: Gid;
  readonly branch: Branch;
  /** What was done: act, confirm, undo; in `accord` the move of a run. */
  readonly op: string;
  /** Tells events of one effect and op apart; the fence writes one of each. */
  readonly n: number;
  readonly event: Required<OutboxEvent>;
}

/** What the events of one SQL transaction share. */
export interface EventOrigin {
  readonly epoch: number;
  readonly traceparent: string | null;
}

/**
 * Writes events with their effects. The payload is the event's data alone: the relay wraps it in its envelope, with
 * `created_at` as the time that it occurred at.
 */
export async function writeEvents(
  sql: SqlTransaction,
  { epoch, traceparent }: EventOrigin,
  events: readonly EffectEvent[],
): Promise<void> {
  const rows = events.map(({ gid, branch, op, n, event }) => [
    eventIdOf(gid, branch, op, n),
    gid,
    branch,
    op,
    event.topic,
    event.type,
    event.aggregate.id,
    event.aggregate.sequence,
    JSON.stringify(event.data),
    traceparent,
    epoch,
  ]);
  for (const values of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, traceparent, epoch)
         VALUES ?`,
      [values],
    );
  }
}
