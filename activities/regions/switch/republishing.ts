/** Events that were published to the Kafka of the old region are published again to that of the new one. */
import { topicOf } from '../../../contracts/engine/events';

/** External consumers may have missed events that were published within this time before the loss of the old region. */
const windowSeconds = 60;
/** Our own consumer is never further behind: an older event is consumed, or is a dead letter. */
const consumedWithinHours = 24;
const consumer = 'accord-order-view';

export interface Statement {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/**
 * Marks events of the epochs up to `epoch` as unpublished, and the relay publishes them again. There are two kinds. For
 * external consumers: events published less than a minute before the newest event of these epochs was written, or
 * later. For our own consumer: events that it has not noted as consumed. Safe to repeat: consumers drop a repeated id.
 *
 * @param outbox the table, with its database if the session uses another one.
 * @param consumers the database that notes consumed events; `null`: no consumer of ours takes these events.
 */
export function republishing(outbox: string, consumers: string | null, epoch: number): Statement {
  // The newest event gives the time of the fault: after it there are no writes in these epochs.
  const lost = `(SELECT l.at FROM (SELECT created_at AS at FROM ${outbox} WHERE epoch <= ? ORDER BY id DESC LIMIT 1) l)`;
  const recent = `o.published_at >= ${lost} - INTERVAL ? SECOND`;
  const recentValues = [epoch, windowSeconds];
  const update = `UPDATE ${outbox} o SET o.published_at = NULL WHERE o.epoch <= ? AND`;
  if (consumers === null) return { sql: `${update} ${recent}`, values: [epoch, ...recentValues] };
  const unconsumed = `o.published_at >= ${lost} - INTERVAL ? HOUR AND o.topic = ? AND NOT EXISTS
     (SELECT 1 FROM \`${consumers}\`.consumed c WHERE c.consumer = ? AND c.event_id = o.event_id)`;
  return {
    sql: `${update} (${recent} OR (${unconsumed}))`,
    values: [
      ...[epoch, ...recentValues],
      ...[epoch, consumedWithinHours, topicOf('orders'), consumer],
    ],
  };
}
