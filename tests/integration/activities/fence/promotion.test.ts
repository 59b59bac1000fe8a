import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createEpochSource, regionEpoch } from '../../../../activities/fence/epoch';
import { createFence, inertFenceMetrics } from '../../../../activities/fence/fence';
import { inSqlTransaction, type SqlPool } from '../../../../activities/fence/sql-transaction';
import { failureTypeOf } from '../../../../contracts/engine/failures';
import type { StepKey } from '../../../../contracts/engine/ids';
import { inertFaultPoints } from '../../../../runtime/faults/points';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { accountsOver, aDelivery, aKey } from '../../../support/fenced-accounts';

const promotions = 20;
const writers = 12;

describe('promotion (B22)', () => {
  let own: OwnDatabases;
  let admin: SqlPool;
  let hubAdmin: SqlPool;
  let hub: SqlPool;
  let pool: SqlPool;
  beforeAll(async () => {
    own = await ownDatabases(['accounts', 'accord']);
    admin = own.pool(own.adminUrl('accounts'));
    hubAdmin = own.pool(own.adminUrl('accord'));
    hub = own.pool(own.urls.ACCORD_DATABASE_URL);
    pool = own.pool(own.urls.ACCOUNTS_DATABASE_URL, { connectionLimit: writers });
    await admin.change(
      `INSERT INTO accounts (id, tenant, kind, currency, balance) VALUES
         ('acme.A', 'acme', 'customer', 'EUR', 1000000), ('acme.C', 'acme', 'clearing', 'EUR', 0),
         ('acme.X', 'acme', 'external', 'EUR', -1000000)`,
    );
  });
  afterAll(() => own.drop());

  const aWorker = () => {
    const epochs = createEpochSource(hub, 'main');
    const fence = createFence({
      pool,
      epochRow: regionEpoch,
      epochs,
      faults: inertFaultPoints,
      delivery: () => aDelivery(),
      metrics: inertFenceMetrics,
    });
    return accountsOver(fence);
  };

  /** Burns the next epoch, first in the hub and then in the region, each by compare-and-set. */
  const promote = async (from: number): Promise<void> => {
    const won = await hubAdmin.change(
      `UPDATE cluster_state SET epoch = ?, changed_at = UTC_TIMESTAMP(3) WHERE cluster = 'main' AND epoch = ?`,
      [from + 1, from],
    );
    expect(won).toBe(1);
    // Locked before it is dated: a statement's clock is read before it has waited for those who write in the old epoch.
    await inSqlTransaction(admin, aDelivery(), async (sql) => {
      await sql.select('SELECT epoch FROM region_epoch WHERE id = 1 FOR UPDATE', []);
      await sql.change(
        'UPDATE region_epoch SET epoch = ?, changed_at = UTC_TIMESTAMP(3) WHERE id = 1 AND epoch = ?',
        [from + 1, from],
      );
    });
  };

  it('refuses every write of an epoch that is over, and loses none that comes again with the new one', async () => {
    const progress = { isOver: false, stale: 0, written: [] as StepKey[] };
    const write = async (): Promise<void> => {
      const { reserveDebit, confirmDebit, releaseFunds } = aWorker();
      for (let n = 0; !progress.isOver; n += 1) {
        const key = aKey('debit');
        const request = { key, minEpoch: 0, accountId: 'acme.A', payeeId: 'acme.C' };
        const amount = { currency: 'EUR', minorUnits: 1 } as const;
        await again(() => reserveDebit([{ ...request, amount }]));
        await again(() => (n % 2 ? confirmDebit : releaseFunds)([{ key, minEpoch: 0 }]));
        progress.written.push(key);
      }
    };
    /** As Temporal would: a stale call is made again until it carries the epoch of the day. */
    const again = async (call: () => Promise<readonly { readonly ok: boolean }[]>) => {
      for (;;) {
        try {
          expect(await call()).toMatchObject([{ ok: true }]);
          return;
        } catch (error) {
          if (failureTypeOf(error) !== 'StaleEpoch') throw error;
          progress.stale += 1;
        }
      }
    };
    const writing = Promise.all(Array.from({ length: writers }, write));
    for (let epoch = 1; epoch <= promotions; epoch += 1) await promote(epoch);
    progress.isOver = true;
    await writing;

    expect(progress.written.length).toBeGreaterThanOrEqual(writers);
    const late = await admin.select(
      `SELECT f.gid FROM fence f JOIN region_epoch r
         ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
    );
    expect(late).toEqual([]);
    const [held] = await admin.select(`SELECT held FROM accounts WHERE id = 'acme.A'`);
    expect(held).toEqual({ held: '0' });
    const [rows] = await admin.select<{ readonly n: string }>('SELECT COUNT(*) AS n FROM fence');
    expect(Number(rows?.n)).toBe(progress.written.length);
  });

  it('refuses a call whose transaction has seen a later epoch than the hub tells', async () => {
    const { reserveDebit } = aWorker();
    const key = aKey('debit');
    const ahead = {
      key,
      minEpoch: promotions + 5,
      accountId: 'acme.A',
      payeeId: 'acme.C',
      amount: { currency: 'EUR', minorUnits: 1 },
    } as const;
    await expect(reserveDebit([ahead])).rejects.toMatchObject({ type: 'StaleEpoch' });
    expect(await admin.select('SELECT gid FROM fence WHERE gid = ?', [key.split('/')[0]])).toEqual(
      [],
    );
  });
});
