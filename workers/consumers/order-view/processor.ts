import { errnoOf, isContentError, type SqlPool } from '../../../activities/fence/sql-transaction';
import type { Logger } from '../../../runtime/logger';
import { createDeadLetterStore } from '../dead-letter-store';
import { createEventProcessor, type EventProcessor } from '../event-processor';
import type { ConsumerMetrics } from '../metrics';
import { orderViewChangeOf } from './view';
import { createOrderViewStore } from './store';

/** The name that events are consumed under, and the group in Kafka. */
export const orderViewConsumer = 'accord-order-view';

/** Keeps `order_views` from the events of orders, in the database that holds both. */
export function createOrderViewProcessor({
  pool,
  metrics,
  logger,
}: {
  readonly pool: SqlPool;
  readonly metrics: ConsumerMetrics;
  readonly logger: Logger;
}): EventProcessor {
  const store = createOrderViewStore({ pool, consumer: orderViewConsumer });
  return createEventProcessor({
    projection: {
      read: ({ value }) => orderViewChangeOf(value),
      apply: (changes) => store.apply(changes),
      // Only what MySQL says about the data: an error of another origin must not bury what is sound.
      isContentError: (error) => errnoOf(error) !== undefined && isContentError(error),
    },
    deadLetters: createDeadLetterStore({ pool, consumer: orderViewConsumer }),
    observer: {
      applied(fresh, duplicates) {
        metrics.applied(fresh);
        metrics.duplicate(duplicates);
      },
      buried({ topic, partition, offset, eventId }, error) {
        metrics.buried();
        logger.error({ err: error, topic, partition, offset, eventId }, 'Event given up.');
      },
      failed(error, failures) {
        metrics.failed();
        if (failures === 1) logger.error({ err: error }, 'Consumer failed; it goes on trying.');
      },
    },
  });
}
