import { randomBytes } from 'node:crypto';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { createCoupons } from '../../../../activities/coupons/activities';
import { createRetentionActivities, demandKeep } from '../../../../activities/retention/activities';
import { pageOf } from '../../../../activities/retention/retention-store';
import { regionEpoch } from '../../../../activities/fence/epoch';
import { createFence, inertFenceMetrics } from '../../../../activities/fence/fence';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { businessIdOf, gidOf, stepKeyOf, type Gid } from '../../../../contracts/engine/ids';
import type {
  FenceCursor,
  RetentionActivities,
  StampedFence,
} from '../../../../contracts/engine/retention';
import type { RunState } from '../../../../contracts/engine/transaction';
import { inertFaultPoints } from '../../../../runtime/faults/points';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { aDelivery, epochsAt } from '../../../support/fenced-accounts';
import { participantFence } from '../../../support/participant-fence';

const dayMs = 24 * 3_600_000;
const tenant = 'acme';
let counter = 0;
const aGid = (): Gid => gidOf('checkout', businessIdOf(tenant, `R-${(counter += 1)}`));

describe('retention (B13)', () => {
  let own: OwnDatabases;
  let admin: SqlPool;
  let hub: SqlPool;
  let retention: RetentionActivities;
  let impatient: RetentionActivities;
  beforeAll(async () => {
    own = await ownDatabases(['inventory', 'accounts', 'coupons', 'orders', 'accord']);
    admin = own.pool(own.adminUrl('coupons'));
    hub = own.pool(own.adminUrl('accord'));
    const databases = {
      inventory: own.pool(own.urls.INVENTORY_DATABASE_URL),
      accounts: own.pool(own.urls.ACCOUNTS_DATABASE_URL),
      coupons: own.pool(own.urls.COUPONS_DATABASE_URL),
      orders: own.pool(own.urls.ORDERS_DATABASE_URL),
      accord: own.pool(own.urls.ACCORD_DATABASE_URL),
    };
    retention = createRetentionActivities({ databases, keepMs: 14 * dayMs });
    impatient = createRetentionActivities({ databases, keepMs: 0 });
  });
  afterAll(() => own.drop());
  beforeEach(async () => {
    await admin.change('DELETE FROM fence');
  });

  const plantRun = (gid: Gid, state: RunState, daysAgo = 30): Promise<number> => {
    const ended = state === 'completed' || state === 'compensated';
    const at = new Date(Date.now() - daysAgo * dayMs);
    return hub.change(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, owner,
                         state, region, epoch, accepted_at, deadline_at, at_risk, ending, ended_at)
         VALUES (?)`,
      [
        [
          gid,
          tenant,
          'checkout',
          gid,
          'POST /v1/checkouts',
          `key-${gid}`,
          randomBytes(32),
          '{}',
          gid,
          state,
          'a',
          1,
          at,
          at,
          '[]',
          ended ? '{}' : null,
          ended ? at : null,
        ],
      ],
    );
  };
  const plantRow = (
    gid: Gid,
    { state = 'acted', reserves = 0, hoursAgo = 48, branch = 'coupon' } = {},
  ): Promise<number> =>
    admin.change(
      `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch, created_at)
         VALUES (?, ?, ?, ?, ?, 1, UTC_TIMESTAMP(3) - INTERVAL ? HOUR)`,
      [gid, branch, state, reserves, randomBytes(16), hoursAgo],
    );
  const hasEnd = async (gid: Gid): Promise<readonly boolean[]> =>
    (
      await admin.select<{ readonly e: string }>(
        'SELECT expires_at IS NOT NULL AS e FROM fence WHERE gid = ? ORDER BY branch',
        [gid],
      )
    ).map(({ e }) => Number(e) === 1);
  const stampAll = async (by = retention): Promise<Pick<StampedFence, 'stamped' | 'leaked'>> => {
    const sum = { stamped: 0, leaked: 0 };
    for (let after: StampedFence['next'] = null; ;) {
      const page = await by.stampFence({ participant: 'coupons', after });
      sum.stamped += page.stamped;
      sum.leaked += page.leaked;
      if (!page.next) return sum;
      after = page.next;
    }
  };

  it('looks at every row once, also where more than a page was written in one millisecond', async () => {
    const rows = 2_500;
    await admin.change(
      `INSERT INTO fence (gid, branch, state, attempt_token, epoch, created_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         SELECT CONCAT('checkout:acme.S-', LPAD(i, 4, '0')), branch, 'acted', REPEAT('x', 16), 1, '2026-01-01 00:00:00.120'
           FROM n CROSS JOIN (VALUES ROW('a'), ROW('b'), ROW('c')) AS b (branch) LIMIT ?`,
      [rows],
    );
    let looked = 0;
    for (let after: FenceCursor | null = null; ;) {
      const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(admin, after);
      looked += page.rows.length;
      if (!page.next) break;
      after = page.next;
    }
    expect(looked).toBe(rows);
  });

  it('protects what is open, parked, unknown to accord or young, and ends the rows of ended ones', async () => {
    const states = [
      'completed',
      'compensated',
      'running',
      'undoing',
      'parked',
      'accepted',
    ] as const;
    const gids = states.map(aGid);
    for (const [at, state] of states.entries()) {
      await plantRun(gids[at] ?? '', state);
      await plantRow(gids[at] ?? '');
    }
    const [unknown, young] = [aGid(), aGid()];
    await plantRow(unknown);
    await plantRun(young, 'completed');
    await plantRow(young, { hoursAgo: 0 });
    expect(await stampAll()).toEqual({ stamped: 2, leaked: 0 });
    const ends = await Promise.all([...gids, unknown, young].map(hasEnd));
    expect(ends.flat()).toEqual([true, true, false, false, false, false, false, false]);
  });

  it('never ends a reservation that is still open, reports it, and ends its siblings', async () => {
    const gid = aGid();
    await plantRun(gid, 'compensated');
    await plantRow(gid, { branch: 'a-leak', reserves: 1 });
    await plantRow(gid, { branch: 'b-undone', reserves: 1, state: 'undone' });
    expect(await stampAll()).toEqual({ stamped: 1, leaked: 1 });
    expect(await hasEnd(gid)).toEqual([false, true]);
  });

  it('gives the protection back at every delivery, and only then keeps the row', async () => {
    const coupons = createCoupons(participantFence(own.pool(own.urls.COUPONS_DATABASE_URL)));
    const gids = [aGid(), aGid(), aGid()];
    for (const gid of gids) {
      await plantRun(gid, 'compensated');
      await plantRow(gid, { state: 'undone', reserves: 1 });
    }
    expect(await stampAll(impatient)).toEqual({ stamped: 3, leaked: 0 });
    const [acted = '', undone = '', idle = ''] = gids;
    const keyed = (gid: Gid) => ({ key: stepKeyOf(gid, 'coupon'), minEpoch: 0 });
    const use = {
      couponId: 'acme.C-1',
      customerId: 'acme.C-1',
      discount: { currency: 'EUR', minorUnits: 1 },
    } as const;
    await coupons.reserveCoupon([{ ...keyed(acted), ...use }]);
    await coupons.releaseCoupon([keyed(undone)]);
    expect(await impatient.deleteExpired({ participant: 'coupons' })).toEqual({
      deleted: 1,
      more: false,
    });
    expect(await hasEnd(acted)).toEqual([false]);
    expect(await hasEnd(undone)).toEqual([false]);
    expect(await hasEnd(idle)).toEqual([]);
  });

  it('lets no delivery act again whose row it has deleted (B14)', async () => {
    const gid = aGid();
    await plantRun(gid, 'compensated');
    await plantRow(gid, { state: 'undone', reserves: 1 });
    expect(await stampAll(impatient)).toEqual({ stamped: 1, leaked: 0 });
    await impatient.deleteExpired({ participant: 'coupons' });
    expect(await hasEnd(gid)).toEqual([]);
    const late = createCoupons(
      createFence({
        pool: own.pool(own.urls.COUPONS_DATABASE_URL),
        epochRow: regionEpoch,
        epochs: epochsAt(1),
        faults: inertFaultPoints,
        delivery: () => aDelivery({ issuedAt: Date.now() - 2 * dayMs }),
        metrics: inertFenceMetrics,
      }),
    );
    const keyed = { key: stepKeyOf(gid, 'coupon'), minEpoch: 0 };
    const use = {
      couponId: 'acme.C-1',
      customerId: 'acme.C-1',
      discount: { currency: 'EUR', minorUnits: 1 },
    } as const;
    await expect(late.reserveCoupon([{ ...keyed, ...use }])).rejects.toMatchObject({
      type: 'StaleAttempt',
    });
    await expect(late.releaseCoupon([keyed])).rejects.toMatchObject({ type: 'StaleAttempt' });
    expect(await hasEnd(gid)).toEqual([]);
  });

  it('looks at every row once, page by page, whatever stays protected in front', async () => {
    const [open, ended] = [aGid(), aGid()];
    await plantRun(open, 'running');
    await plantRun(ended, 'completed');
    const rows = Array.from({ length: 1_500 }, (_, at) => [
      at % 2 === 0 ? open : ended,
      `step-${at}`,
      'acted',
      randomBytes(16),
      1,
      '2026-01-01 00:00:00.000',
    ]);
    await admin.change(
      'INSERT INTO fence (gid, branch, state, attempt_token, epoch, created_at) VALUES ?',
      [rows],
    );
    expect(await stampAll()).toEqual({ stamped: 750, leaked: 0 });
    expect(await stampAll()).toEqual({ stamped: 0, leaked: 0 });
  });

  it('forgets the keys of transactions that ended a week ago, and keeps their rows', async () => {
    const [old, recent, open] = [aGid(), aGid(), aGid()];
    await plantRun(old, 'completed', 8);
    await plantRun(recent, 'completed', 6);
    await plantRun(open, 'parked', 8);
    await retention.expireKeys();
    const rows = await hub.select<{ readonly gid: Gid; readonly k: string | null }>(
      'SELECT gid, idempotency_key AS k FROM runs WHERE gid IN (?) ORDER BY accepted_at, gid',
      [[old, recent, open]],
    );
    expect(rows.map(({ gid, k }) => [gid, k !== null]).sort()).toEqual(
      [
        [old, false],
        [recent, true],
        [open, true],
      ].sort(),
    );
  });

  it('refuses to keep rows for a shorter time than somebody may still ask for them', () => {
    expect(() => demandKeep(14 * dayMs, 3 * dayMs)).not.toThrow();
    expect(() => demandKeep(6 * dayMs, dayMs)).toThrow(/7 days at least/);
    expect(() => demandKeep(14 * dayMs, 30 * dayMs)).toThrow(/32 days at least/);
  });
});
