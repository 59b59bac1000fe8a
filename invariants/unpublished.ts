import type { Oracle } from './oracle';

/** Longer than a relay ever takes while Kafka and the database answer. */
const publishedWithinSeconds = 30;
const waiting = `outbox WHERE published_at IS NULL AND created_at < UTC_TIMESTAMP(3) - INTERVAL ${publishedWithinSeconds} SECOND`;

/** Not with the others: while Kafka is away its rows wait, as they must. */
export const unpublishedOracle: Pick<Oracle, 'id' | 'name' | 'databases' | 'whole'> = {
  id: 'F3',
  name: `an event is published within ${publishedWithinSeconds} seconds`,
  databases: 'fenced',
  whole: {
    sql: `SELECT id, gid, branch, op FROM ${waiting}`,
    counted: 'SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL',
  },
};
