import type { SqlPool } from '../../activities/fence/sql-transaction';

/** A record as Kafka delivered it. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  /** Digits. */
  readonly offset: string;
  /** Event id from its header; `null` where the header is missing. */
  readonly eventId: string | null;
  readonly value: Buffer | null;
}

/** Records that a consumer gave up: kept whole, for a person to mend and send again. */
export interface DeadLetterStore {
  /** Safe to repeat: a record that comes again keeps its row, and its attempts add up. */
  bury(
    record: ConsumedRecord,
    because: { readonly error: string; readonly attempts: number },
  ): Promise<void>;
}

/**
 * Limits on what is kept of an unreadable record: the widths of the columns. A poison record must not make its own dead
 * letter fail. The whole record stays in Kafka, at its offset.
 */
const errorLengthMax = 500;
const eventIdLengthMax = 255;
const payloadBytesMax = 1_048_576;

export function createDeadLetterStore({
  pool,
  consumer,
}: {
  readonly pool: SqlPool;
  readonly consumer: string;
}): DeadLetterStore {
  return {
    async bury({ topic, partition, offset, eventId, value }, { error, attempts }) {
      await pool.change(
        `INSERT INTO dead_letters
             (consumer, topic, partition_no, offset_no, event_id, error, attempts, payload) VALUES (?) AS again
           ON DUPLICATE KEY UPDATE attempts = dead_letters.attempts + again.attempts, error = again.error`,
        [
          [
            consumer,
            topic,
            partition,
            BigInt(offset),
            eventId !== null && eventId.length <= eventIdLengthMax ? eventId : null,
            error.slice(0, errorLengthMax),
            attempts,
            value?.subarray(0, payloadBytesMax) ?? null,
          ],
        ],
      );
    },
  };
}
