import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { republishing } from '../../../../activities/regions/switch/republishing';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { topicOf } from '../../../../contracts/engine/events';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';

let own: OwnDatabases;
let orders: SqlPool;

beforeAll(async () => {
  own = await ownDatabases(['orders']);
  orders = own.pool(own.adminUrl('orders'), { connectionLimit: 1 });
}, 60_000);
afterAll(() => own.drop());
beforeEach(async () => {
  await orders.change('DELETE FROM outbox', []);
  await orders.change('DELETE FROM consumed', []);
});

/** An event that was written and published so many seconds ago. */
async function published(id: string, ago: number, epoch = 1): Promise<void> {
  await orders.change(
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch, created_at, published_at)
       VALUES (?, 'order:acme.O-1', 'createOrder', 'act', ?, 'order.created', ?, 1, '{}', ?,
         UTC_TIMESTAMP(3) - INTERVAL ? SECOND, UTC_TIMESTAMP(3) - INTERVAL ? SECOND)`,
    [id, topicOf('orders'), id, epoch, ago, ago],
  );
}
const consumed = (id: string): Promise<number> =>
  orders.change(`INSERT INTO consumed (consumer, event_id) VALUES ('accord-order-view', ?)`, [id]);

async function publishedAgain(consumers: boolean): Promise<readonly string[]> {
  const [row] = await orders.select<{ readonly name: string }>('SELECT DATABASE() AS name', []);
  const { sql, values } = republishing('outbox', consumers ? (row?.name ?? '') : null, 1);
  await orders.change(sql, [...values]);
  const rows = await orders.select<{ readonly event_id: string }>(
    'SELECT event_id FROM outbox WHERE published_at IS NULL ORDER BY id',
    [],
  );
  return rows.map(({ event_id }) => event_id);
}

describe('when the region is another one', () => {
  it('is published again what came out less than a minute before the last event of the old one', async () => {
    await published('long-before', 700);
    await published('shortly-before', 640);
    await published('last', 600); // However long people took to decide.
    expect(await publishedAgain(false)).toEqual(['shortly-before', 'last']);
  });

  it('is published again what our own consumer has not noted, however old', async () => {
    await published('noted', 4_000);
    await consumed('noted');
    await published('never-seen', 4_000);
    await published('last', 600);
    await consumed('last');
    expect(await publishedAgain(true)).toEqual(['never-seen', 'last']);
  });

  it('is left alone what the new region has published itself', async () => {
    await published('last', 600);
    await published('of-the-new-epoch', 5, 2);
    expect(await publishedAgain(true)).toEqual(['last']);
  });

  it('nothing is published again where nothing was ever written', async () => {
    expect(await publishedAgain(true)).toEqual([]);
  });
});
