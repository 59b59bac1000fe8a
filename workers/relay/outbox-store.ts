import type { SqlTransaction } from '../../activities/fence/participant';
import {
  inSqlTransaction,
  type Budget,
  type SqlPool,
} from '../../activities/fence/sql-transaction';
import { partitionsOf, planLeases, slotCount, type Slot } from './leases';

/** An event that waits for Kafka. */
export interface OutboxRow {
  /** Digits: BIGINT. */
  readonly id: string;
  readonly eventId: string;
  readonly gid: string;
  readonly topic: string;
  readonly type: string;
  readonly aggregateId: string;
  readonly sequence: number;
  readonly partition: number;
  readonly payload: object;
  readonly traceparent: string | null;
  readonly createdAt: Date;
  /** Age in milliseconds, by the clock of the database. */
  readonly ageMs: number;
}

/** The outbox of one database, in the eyes of one relay. */
export interface OutboxStore {
  /** Name of the database. */
  readonly database: string;
  /**
   * Renews the leases, gives `leaving` back, takes free ones up to the fair share.
   * @returns the partitions held from now on, for `leaseMs`; of them `surplus` should be left.
   */
  holdLeases(leaving: readonly number[]): Promise<HeldLeases>;
  /** Ends all leases of this relay. */
  releaseLeases(): Promise<void>;
  /**
   * Oldest rows of each partition, in id order within it, `rowsMax` in all: a lone one that is behind has all of them.
   */
  unpublished(partitions: readonly number[], rowsMax: number): Promise<readonly OutboxRow[]>;
  /**
   * Marks the rows whose partition this relay still holds.
   * @returns how many. The present holder publishes the others again.
   */
  markPublished(ids: readonly string[]): Promise<number>;
  /** Deletes up to `rowsMax` rows that were published longer ago. @returns how many. */
  forgetPublished(
    partitions: readonly number[],
    keepSeconds: number,
    rowsMax: number,
  ): Promise<number>;
}

export interface HeldLeases {
  readonly partitions: readonly number[];
  readonly surplus: readonly number[];
}

/** Time limit of all statements of a call together. */
const callMs = 8_000;

export function createOutboxStore({
  database,
  pool,
  relayId,
  leaseMs,
}: {
  readonly database: string;
  readonly pool: SqlPool;
  /** Id of this process only. The process with this id holds its leases. */
  readonly relayId: string;
  readonly leaseMs: number;
}): OutboxStore {
  const transact = <Result>(body: (sql: SqlTransaction) => Promise<Result>): Promise<Result> =>
    inSqlTransaction(pool, budgetOf(callMs), body);
  return {
    database,
    holdLeases: (leaving) => transact((sql) => holdLeases(sql, { relayId, leaseMs, leaving })),
    async releaseLeases() {
      await pool.change('UPDATE outbox_leases SET owner = NULL WHERE owner = ?', [relayId]);
    },
    unpublished: (partitions, rowsMax) => readUnpublished(pool, partitions, rowsMax),
    // Tried again after a deadlock: failing it would send the whole batch again.
    markPublished: (ids) => transact((sql) => markPublished(sql, relayId, ids)),
    async forgetPublished(partitions, keepSeconds, rowsMax) {
      if (partitions.length === 0) return 0;
      return pool.change(
        `DELETE FROM outbox WHERE published_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND
           AND partition_no IN (?) ORDER BY published_at LIMIT ?`,
        [keepSeconds, partitions, rowsMax],
      );
    },
  };
}

/** Compare and set on locked rows: relays take turns here, for a few milliseconds. */
async function holdLeases(
  sql: SqlTransaction,
  {
    relayId,
    leaseMs,
    leaving,
  }: {
    readonly relayId: string;
    readonly leaseMs: number;
    readonly leaving: readonly number[];
  },
): Promise<HeldLeases> {
  if (leaving.length > 0) {
    await sql.change(
      'UPDATE outbox_leases SET owner = NULL WHERE owner = ? AND partition_no IN (?)',
      [relayId, leaving],
    );
  }
  const { hold, surplus } = planLeases(await lockSlots(sql), relayId);
  if (hold.length > 0) {
    // The generation first: MySQL assigns from left to right.
    await sql.change(
      `UPDATE outbox_leases SET generation = generation + IF(owner <=> ?, 0, 1), owner = ?,
           lease_until = UTC_TIMESTAMP(3) + INTERVAL ? MICROSECOND WHERE partition_no IN (?)`,
      [relayId, relayId, leaseMs * 1_000, hold],
    );
  }
  return { partitions: partitionsOf(hold), surplus };
}

async function lockSlots(sql: SqlTransaction): Promise<readonly Slot[]> {
  const read = () =>
    sql.select<{ readonly partition_no: number; readonly holder: string | null }>(
      `SELECT partition_no, IF(lease_until > UTC_TIMESTAMP(3), owner, NULL) AS holder
         FROM outbox_leases ORDER BY partition_no FOR UPDATE`,
    );
  let rows = await read();
  if (rows.length < slotCount) {
    await insertSlots(sql); // The first relay of this database ever: it adds the seats.
    rows = await read();
  }
  return rows.map(({ partition_no, holder }) => ({ no: partition_no, holder }));
}

async function insertSlots(sql: SqlTransaction): Promise<void> {
  await sql.change(
    'INSERT INTO outbox_leases (partition_no) VALUES ? ON DUPLICATE KEY UPDATE owner = owner',
    [Array.from({ length: slotCount }, (_, no) => [no])],
  );
}

/**
 * Marks rows by primary key, whatever plan the optimizer prefers: along `unpublished` it would walk the backlog of the
 * partitions.
 */
const markPublished = (
  sql: SqlTransaction,
  relayId: string,
  ids: readonly string[],
): Promise<number> =>
  sql.change(
    `UPDATE outbox o FORCE INDEX (PRIMARY)
       STRAIGHT_JOIN outbox_leases l FORCE INDEX (PRIMARY) ON l.partition_no = o.partition_no
       SET o.published_at = UTC_TIMESTAMP(3)
       WHERE o.id IN (?) AND o.published_at IS NULL
         AND l.owner = ? AND l.lease_until > UTC_TIMESTAMP(3)`,
    [ids.map(BigInt), relayId],
  );

/** Each partition has its share; what some do not need is for those that have more. */
async function readUnpublished(
  pool: SqlPool,
  partitions: readonly number[],
  rowsMax: number,
): Promise<readonly OutboxRow[]> {
  if (partitions.length === 0) return [];
  const share = Math.max(1, Math.floor(rowsMax / partitions.length));
  const first = await readRanges(
    pool,
    partitions.map((partition) => ({ partition, after: '0', rowsMax: share })),
  );
  const hasMore = partitions.flatMap((partition) => {
    const last = first.filter((row) => row.partition === partition)[share - 1];
    return last ? [{ partition, after: last.id }] : [];
  });
  const left = Math.floor((rowsMax - first.length) / hasMore.length);
  if (hasMore.length === 0 || left === 0) return first;
  const more = hasMore.map((range) => ({ ...range, rowsMax: left }));
  return [...first, ...(await readRanges(pool, more))];
}

/** Where the rows of one partition begin. */
interface Range {
  readonly partition: number;
  /** An id. */
  readonly after: string;
  readonly rowsMax: number;
}

/** One range of the index for each partition: one that is far behind neither hides the others nor is sorted whole. */
async function readRanges(pool: SqlPool, ranges: readonly Range[]): Promise<readonly OutboxRow[]> {
  const one = `(SELECT ${columns} FROM outbox FORCE INDEX (unpublished)
    WHERE published_at IS NULL AND partition_no = ? AND id > ? ORDER BY id LIMIT ?)`;
  const rows = await pool.select<OutboxColumns>(
    ranges.map(() => one).join(' UNION ALL '),
    ranges.flatMap(({ partition, after, rowsMax }) => [partition, BigInt(after), rowsMax]),
  );
  return rows.map(({ ageMs, ...row }) => ({ ...row, ageMs: Number(ageMs) }));
}

const columns = `id, event_id AS eventId, gid, topic, type, aggregate_id AS aggregateId, sequence,
  partition_no AS \`partition\`, payload, traceparent, created_at AS createdAt,
  TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(3)) DIV 1000 AS ageMs`;

type OutboxColumns = Omit<OutboxRow, 'ageMs'> & { readonly ageMs: string };

const budgetOf = (ms: number): Budget => ({
  signal: new AbortController().signal, // Ended by its time alone: what was begun is finished, also while stopping.
  deadline: performance.now() + ms,
});
