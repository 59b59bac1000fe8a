import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { createOutboxStore, type OutboxStore } from '../../../../workers/relay/outbox-store';
import { relayDefaults } from '../../../../workers/relay/relay';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { fill, type Filling } from '../../../../testing/bench/filling';
import { countingPool, mostRead, type StatementReads } from '../../../../testing/bench/rows-read';

/** Far more than a batch; the server's counts show a plan that walks them. */
const waiting = 50_000;
const done = 50_000;
const { batchRowsMax, cleanUpRowsMax } = relayDefaults;

let databases: OwnDatabases;
/** Every partition is behind. */
let outbox: OutboxStore;
/** One partition is behind. */
let lopsided: OutboxStore;
let admin: SqlPool;
const reads: StatementReads[] = [];

beforeAll(async () => {
  databases = await ownDatabases(['inventory', 'coupons']);
  admin = databases.pool(databases.adminUrl('inventory'));
  await filled(admin, { from: 0, to: done, publishedAt: 'UTC_TIMESTAMP(3) - INTERVAL 1 HOUR' });
  await filled(admin, { from: done, to: done + waiting });
  const coupons = databases.pool(databases.adminUrl('coupons'));
  await filled(coupons, { from: 0, to: 10_000, aggregate: `'one'` });
  const [url = '', otherUrl = ''] = databases.urls.RELAY_DATABASE_URLS.split(',');
  outbox = storeOf('inventory', url);
  lopsided = storeOf('coupons', otherUrl);
}, 120_000);
afterAll(() => databases.drop());
beforeEach(() => {
  reads.length = 0;
});

const storeOf = (database: string, url: string): OutboxStore =>
  createOutboxStore({
    database,
    pool: countingPool(databases.pool(url), reads),
    relayId: 'relay-1',
    leaseMs: 600_000,
  });

const filled = (
  pool: SqlPool,
  {
    from,
    to,
    publishedAt = 'NULL',
    aggregate = `CONCAT('bench.', i)`,
  }: Pick<Filling, 'from' | 'to'> & {
    readonly publishedAt?: string;
    readonly aggregate?: string;
  },
) =>
  fill(pool, {
    into: `outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch, published_at)`,
    select: `CONCAT('order:bench.', i, '/reserveStock/act/1'), CONCAT('order:bench.', i), 'reserveStock', 'act',
      'accord.inventory', 'stock.reserved', ${aggregate}, 1, '{"n":1}', 1, ${publishedAt}`,
    from,
    to,
  });

async function waitingRows(): Promise<number> {
  const [row] = await admin.select<{ n: string }>(
    'SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL',
  );
  return Number(row?.n);
}

describe('the outbox with a backlog', () => {
  it('is read and marked without a look at what waits behind the batch', async () => {
    const { partitions } = await outbox.holdLeases([]);
    const batch = await outbox.unpublished(partitions, batchRowsMax);
    const marked = await outbox.markPublished(batch.map(({ id }) => id));

    expect(batch.length).toBeGreaterThan(batchRowsMax * 0.9);
    expect(marked).toBe(batch.length);
    expect(await waitingRows()).toBe(waiting - marked);
    // A row and its lease, each by primary key.
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2 * batchRowsMax + 1);
  });

  it('forgets what was published long ago without a look at the rest', async () => {
    const { partitions } = await outbox.holdLeases([]);
    reads.length = 0;

    expect(await outbox.forgetPublished(partitions, 24 * 3_600, cleanUpRowsMax)).toBe(0);
    expect(await outbox.forgetPublished(partitions, 60, cleanUpRowsMax)).toBe(cleanUpRowsMax);
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2 * cleanUpRowsMax);
  });

  it('gives a whole batch where one partition alone is behind', async () => {
    const { partitions } = await lopsided.holdLeases([]);
    reads.length = 0;
    const batch = await lopsided.unpublished(partitions, batchRowsMax);

    expect(batch).toHaveLength(batchRowsMax);
    expect(new Set(batch.map(({ partition }) => partition)).size).toBe(1);
    const ids = batch.map(({ id }) => BigInt(id));
    expect(ids).toEqual(ids.toSorted((one, other) => (one < other ? -1 : 1)));
    expect(mostRead(reads).rows).toBeLessThanOrEqual(batchRowsMax);
  });
});
