/** What was published to the Kafka of a region that is left is published again to that of the new one. */
import { topics } from '../../../contracts/engine/events';

/** Consumers outside may have missed what was published so shortly before the old region was lost. */
const windowSeconds = 60;
/** Our own consumer cannot be further behind than that: what is older has been consumed, or is a dead letter. */
const consumedWithinHours = 24;
const consumer = 'accord-order-view';

export interface Statement {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/**
 * Marks events of the epochs up to `epoch` as unpublished; the ordinary relay does the rest. Two kinds: those that were
 * published less than a minute before the newest event of these epochs was written, or behind it, for consumers outside;
 * and those that our own consumer has not noted as consumed. Safe to repeat: what comes again is dropped by its id.
 *
 * @param outbox the table, with its database where the session is in another one.
 * @param consumers the database that notes what was consumed; `null`: nobody of ours consumes these events.
 */
export function republishing(outbox: string, consumers: string | null, epoch: number): Statement {
  // The newest event is the fault, as the databases know it: behind it nobody writes in these epochs any more.
  const lost = `(SELECT l.at FROM (SELECT created_at AS at FROM ${outbox} WHERE epoch <= ? ORDER BY id DESC LIMIT 1) l)`;
  const recent = `o.published_at >= ${lost} - INTERVAL ? SECOND`;
  const recentValues = [epoch, windowSeconds];
  const update = `UPDATE ${outbox} o SET o.published_at = NULL WHERE o.epoch <= ? AND`;
  if (consumers === null) return { sql: `${update} ${recent}`, values: [epoch, ...recentValues] };
  const unconsumed = `o.published_at >= ${lost} - INTERVAL ? HOUR AND o.topic = ? AND NOT EXISTS
     (SELECT 1 FROM \`${consumers}\`.consumed c WHERE c.consumer = ? AND c.event_id = o.event_id)`;
  return {
    sql: `${update} (${recent} OR (${unconsumed}))`,
    values: [...[epoch, ...recentValues], ...[epoch, consumedWithinHours, topics.orders, consumer]],
  };
}
