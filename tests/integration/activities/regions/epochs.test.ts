import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { enterEpoch } from '../../../../activities/regions/switch/epochs';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';
import { openConnection } from '../../../../runtime/mysql/door';

const names = ['orders', 'accounts'] as const;

let own: OwnDatabases;
let orders: SqlPool;
let operator: Connection;
let operatorId: number;
let writer: Connection;

beforeAll(async () => {
  own = await ownDatabases(names);
  orders = own.pool(own.adminUrl('orders'), { connectionLimit: 1 });
}, 60_000);
afterAll(() => own.drop());
beforeEach(async () => {
  operator = await openConnection({ url: own.adminUrl('orders') });
  const [rows] = await operator.query<(RowDataPacket & { id: number })[]>(
    'SELECT CONNECTION_ID() AS id',
  );
  operatorId = rows[0]?.id ?? 0;
  writer = await openConnection({ url: own.adminUrl('accounts') });
});
afterEach(() => [operator, writer].forEach((connection) => connection.destroy()));

const databases = () => names.map((name) => `${own.prefix}${name}`);
const enter = (epoch: number) => enterEpoch(operator, databases(), { region: 'b', epoch });
const epochs = async () => {
  const found = await Promise.all(
    databases().map((database) =>
      orders.select<{ readonly epoch: number | string }>(
        `SELECT epoch FROM \`${database}\`.region_epoch`,
        [],
      ),
    ),
  );
  return found.flat().map(({ epoch }) => Number(epoch));
};
const isLocking = async () => {
  const locking = await orders.select(
    `SELECT 1 FROM information_schema.processlist WHERE id = ? AND info LIKE '%FOR UPDATE%'`,
    [operatorId],
  );
  return locking.length > 0;
};

describe('a region that enters an epoch', () => {
  it('does so in each database, and again as often as it is asked', async () => {
    await enter(5);
    await enter(5);
    expect(await epochs()).toEqual([5, 5]);
  });

  it('never goes back', async () => {
    await enter(7);
    await expect(enter(6)).rejects.toThrow('is in epoch 7.');
    expect(await epochs()).toEqual([7, 7]);
  });

  it('waits for whoever writes in one of them, and is in none of them before', async () => {
    await enter(8);
    await writer.query('START TRANSACTION');
    await writer.query('SELECT epoch FROM region_epoch WHERE id = 1 FOR SHARE');
    const entering = enter(9);
    await eventually(isLocking);
    expect(await epochs()).toEqual([8, 8]);
    await writer.query('COMMIT');
    await entering;
    expect(await epochs()).toEqual([9, 9]);
  });
});
