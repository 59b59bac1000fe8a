import { eventIdOf, type Branch, type Gid } from '../../contracts/engine/ids';
import type { OutboxEvent, SqlTransaction } from './participant';
import { chunksOf } from './set-statements';

/** An event with its effect. */
export interface EffectEvent {
  readonly gid: Gid;
  readonly branch: Branch;
  /** Verb of the effect: act, confirm, undo; in `accord` the move of a run. */
  readonly op: string;
  /** Distinguishes events of one effect and op. The fence writes one of each. */
  readonly n: number;
  readonly topic: string;
  readonly event: Required<OutboxEvent>;
}

/** Common values of the events of one SQL transaction. */
export interface EventOrigin {
  readonly epoch: number;
  readonly traceparent: string | null;
}

/**
 * Writes events with their effects. The payload is only the data of the event. The relay adds the envelope, with
 * `created_at` as the time of the event.
 */
export async function writeEvents(
  sql: SqlTransaction,
  { epoch, traceparent }: EventOrigin,
  events: readonly EffectEvent[],
): Promise<void> {
  const rows = events.map(({ gid, branch, op, n, topic, event }) => [
    eventIdOf(gid, branch, op, n),
    gid,
    branch,
    op,
    topic,
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
