import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Connection } from 'mysql2/promise';

import { createSettleDay } from '../../../../activities/accounts/scheduled-settlements';
import { acceptJobTransaction } from '../../../../activities/fence/accepted-runs';
import { createReconciliationActivities } from '../../../../activities/reconciliation/activities';
import type { IsAlive } from '../../../../activities/reconciliation/owners';
import { createDatabase, databaseLimits } from '../../../../api/stores/database';
import { createRunsStore, type RunsStore } from '../../../../api/stores/runs-store';
import type { ReconciliationActivities } from '../../../../contracts/engine/reconciliation';
import type { SettleDayActivities } from '../../../../contracts/participants/settlements';
import type { TransactionInput } from '../../../../contracts/engine/transaction';
import {
  bytesAsText,
  openConnection,
  openSessions,
  type SessionPool,
} from '../../../../runtime/mysql/door';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { withClockOff } from '../../../support/machine-clock';

const tenant = 'acme';

describe('an open row', () => {
  let own: OwnDatabases;
  let apiPool: SessionPool;
  let admin: Connection;
  let api: RunsStore;
  let jobs: ReconciliationActivities;
  let settleDay: SettleDayActivities;
  let isAlive: IsAlive = () => Promise.resolve(false);
  beforeAll(async () => {
    own = await ownDatabases(['accord']);
    apiPool = openSessions({
      ...{ url: own.urls.API_DATABASE_URL, connectionLimit: 4, keep: 1, typeCast: bytesAsText },
      ...databaseLimits,
    });
    admin = await openConnection({ url: own.urls.API_DATABASE_URL });
    api = createRunsStore(createDatabase(apiPool), 'main');
    const accord = own.pool(own.urls.ACCORD_DATABASE_URL);
    jobs = createReconciliationActivities({
      databases: { accord, inventory: accord, accounts: accord, coupons: accord, orders: accord },
      storedSums: {},
      isAlive: (row) => isAlive(row),
    });
    settleDay = createSettleDay({
      accounts: accord,
      accept: (transaction) => acceptJobTransaction(accord, 'main', transaction),
    });
  }, 60_000);
  afterAll(async () => {
    await apiPool.close();
    await admin.end();
    await own.drop();
  });

  const accepted = async (reference: string, input: object = {}): Promise<string> => {
    const gid = `order:${tenant}.${reference}`;
    await admin.query(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region, epoch,
         accepted_at, deadline_at, at_risk)
       VALUES (?, ?, 'order', ?, 'POST /v1/orders', REPEAT('x', 32), '{}', ?, ?, 'a', 1,
         UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 5 MINUTE, '[]')`,
      [gid, tenant, reference, JSON.stringify(input), gid],
    );
    return gid;
  };
  const inBatch = async (reference: string, batch: string): Promise<string> => {
    const gid = await accepted(reference);
    await admin.query(
      `UPDATE runs SET owner = ?, lane = 'batch', state = 'running', start_sent_at = accepted_at,
         start_confirmed_at = accepted_at WHERE gid = ?`,
      [batch, gid],
    );
    return gid;
  };
  const ownerOf = async (gid: string): Promise<unknown> => {
    const [rows] = await admin.query('SELECT owner, lane, version FROM runs WHERE gid = ?', [gid]);
    return (rows as { owner: Buffer }[]).map((row) => ({ ...row, owner: row.owner.toString() }));
  };
  const cancelled = (gid: string): Promise<boolean> =>
    api.cancelUnsent(gid, tenant, new Date(), { gid, outcome: 'compensated' });
  const settlement = (day: string) =>
    settleDay.acceptSettlement({ tenant, currency: 'EUR', day, deadlineAt: Date.now() + 60_000 });

  // A caller's cancel beside the jobs: whoever comes first, money moves or the row says that nothing has run.
  it('that nobody has sent is no longer cancelled by its row alone once a round has claimed its start', async () => {
    const gid = await accepted('O-1');
    expect(await jobs.claimStarts({ gids: [gid] })).toEqual([gid]);
    expect(await jobs.claimStarts({ gids: [gid] })).toEqual([gid]);
    expect(await cancelled(gid)).toBe(false);
  });

  it('that nobody has sent is not claimed once it was cancelled, though the page had shown it', async () => {
    const [open, gone] = [await accepted('O-2'), await accepted('O-3')];
    const { runs } = await jobs.openRuns({ after: null, rows: 10 });
    expect(runs.map(({ gid }) => gid)).toEqual([open, gone]);
    expect(await cancelled(gone)).toBe(true);
    expect(await jobs.claimStarts({ gids: [open, gone] })).toEqual([open]);
  });

  it('that nobody has sent is taken by one of a cancel and a claim, never by both, when they come together', async () => {
    for (let n = 0; n < 20; n += 1) {
      const gid = await accepted(`O-together-${n}`);
      const [wasCancelled, claimed] = await Promise.all([
        cancelled(gid),
        jobs.claimStarts({ gids: [gid] }),
      ]);
      expect(claimed).toEqual(wasCancelled ? [] : [gid]);
    }
  });

  describe('of a batch', () => {
    const batch = 'batch/order/1';
    afterEach(() => {
      isAlive = () => Promise.resolve(false);
    });

    it('is on a page, and becomes one of a single transaction where its batch has ended', async () => {
      const gid = await inBatch('B-1', batch);
      const { runs } = await jobs.openRuns({ after: 'order:acme.B', rows: 1 });
      expect(runs.map((run) => run.gid)).toEqual([gid]);
      expect(await jobs.isRunning(gid)).toBe(false);
      expect(await jobs.claimStarts({ gids: [gid] })).toEqual([gid]);
      expect(await ownerOf(gid)).toEqual([{ owner: gid, lane: 'single', version: 2 }]);
      expect(await jobs.claimStarts({ gids: [gid] })).toEqual([gid]);
      expect(await ownerOf(gid)).toEqual([{ owner: gid, lane: 'single', version: 2 }]);
    });

    it('stays where its batch carries it, whatever becomes of the others', async () => {
      const [carried, lost] = [await inBatch('B-2', batch), await inBatch('B-3', batch)];
      isAlive = ({ gid, owner }) => Promise.resolve(owner === batch && gid === carried);
      expect(await jobs.isRunning(carried)).toBe(true);
      expect(await jobs.claimStarts({ gids: [carried, lost] })).toEqual([lost]);
      expect(await ownerOf(carried)).toEqual([{ owner: batch, lane: 'batch', version: 1 }]);
    });

    it('is not claimed once its owner has changed since the batch was asked', async () => {
      const gid = await inBatch('B-4', batch);
      isAlive = async () => {
        await admin.query("UPDATE runs SET owner = 'batch/order/2' WHERE gid = ?", [gid]);
        return false;
      };
      expect(await jobs.claimStarts({ gids: [gid] })).toEqual([]);
      expect(await ownerOf(gid)).toEqual([{ owner: 'batch/order/2', lane: 'batch', version: 1 }]);
    });

    it('that has ended is nothing to start', async () => {
      const gid = await inBatch('B-5', batch);
      await admin.query(
        "UPDATE runs SET state = 'completed', ending = '{}', ended_at = UTC_TIMESTAMP(3) WHERE gid = ?",
        [gid],
      );
      expect(await jobs.isRunning(gid)).toBe(true);
      expect(await jobs.claimStarts({ gids: [gid] })).toEqual([]);
    });
  });

  it("of a switch that has begun is recovered with time to act by MySQL's clock, and one that has not with none", async () => {
    const input = { deadlineAt: Date.now() - 1_000, undoBudgetMs: 300_000 };
    const gids = ['failover:main.1', 'failover:main.2'];
    for (const gid of gids)
      await admin.query(
        `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region,
           epoch, accepted_at, deadline_at, at_risk)
         VALUES (?, 'main', 'failover', ?, 'POST /v1/failovers', REPEAT('x', 32), '{}', ?, ?, 'a', 1,
           UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 1 SECOND, '[]')`,
        [gid, gid, JSON.stringify(input), gid],
      );
    const administrator = own.pool(own.adminUrl('accord'));
    await administrator.change(`UPDATE cluster_state SET state = 'failing-over', holder_gid = ?`, [
      gids[0],
    ]);
    const { runs } = await withClockOff(-600_000, () =>
      jobs.openRuns({ after: 'failover:', rows: 2 }),
    );
    expect(runs.map(({ gid }) => gid)).toEqual(gids);
    const [begun, other] = runs.map(({ input: of }) => (of as TransactionInput).deadlineAt);
    expect(begun).toBeGreaterThan(Date.now() + input.undoBudgetMs); // Half of its time is for acting.
    expect(other).toBeLessThan(Date.now());
    await administrator.change('DELETE FROM runs WHERE gid IN (?)', [gids]);
  });

  it('of a settlement is not cancelled by its row alone where the schedule has accepted it', async () => {
    const scheduled = await settlement('2026-11-18');
    expect(scheduled).not.toBeNull();
    expect(await cancelled(scheduled?.gid ?? '')).toBe(false);
  });

  it('of a settlement is sent by the schedule in the name of the caller who asked for it, unless he has cancelled it', async () => {
    const [first, second] = [await settlement('2026-11-19'), await settlement('2026-11-20')];
    const gids = [first?.gid ?? '', second?.gid ?? ''] as const;
    await admin.query('UPDATE runs SET start_sent_at = NULL WHERE gid IN (?)', [gids]);
    expect((await settlement('2026-11-19'))?.gid).toBe(gids[0]);
    expect(await cancelled(gids[0])).toBe(false);
    expect(await cancelled(gids[1])).toBe(true);
    expect(await settlement('2026-11-20')).toBeNull();
  });

  it('that a review has put off is told again with the time that it still has', async () => {
    const before = Date.now();
    const inReview = await accepted('P-1', { deadlineAt: before - 300_000 });
    const overdue = await accepted('P-2', { deadlineAt: before + 300_000 });
    const until = new Date(Math.floor(Date.now() / 1_000 + 86_400) * 1_000);
    await admin.query('UPDATE runs SET deadline_at = ? WHERE gid = ?', [until, inReview]);
    const { runs } = await jobs.openRuns({ after: 'order:acme.P', rows: 10 });
    expect(runs).toMatchObject([
      { gid: inReview, input: { deadlineAt: until.getTime() } },
      { gid: overdue, input: { deadlineAt: before + 300_000 } },
    ]);
  });

  it.each([
    ['parked', "state = 'parked'"],
    ['in review', "early_status = 'review', deadline_at = UTC_TIMESTAMP(3) + INTERVAL 1 DAY"],
  ])('that is %s is looked at each hour, not in each round', async (state, change) => {
    const reference = `W-${state.replace(' ', '-')}`;
    const gid = await accepted(reference);
    await admin.query(
      `UPDATE runs SET start_confirmed_at = UTC_TIMESTAMP(3), ${change} WHERE gid = ?`,
      [gid],
    );
    const isLookedAt = async (): Promise<boolean> =>
      (await jobs.openRuns({ after: 'order:acme.W', rows: 10 })).runs.some(
        (run) => run.gid === gid,
      );
    expect(await isLookedAt()).toBe(false);
    await admin.query('UPDATE runs SET accepted_at = accepted_at - INTERVAL 1 HOUR WHERE gid = ?', [
      gid,
    ]);
    expect(await isLookedAt()).toBe(true);
    await jobs.claimStarts({ gids: [gid] });
    expect(await isLookedAt()).toBe(false);
  });

  it('in the hands of another keeps nobody from confirming starts that have ended', async () => {
    const [open, ended] = [await accepted('S-1'), await accepted('S-2')];
    await admin.query(
      `UPDATE runs SET state = 'compensated', ending = '{}', ended_at = UTC_TIMESTAMP(3) WHERE gid = ?`,
      [ended],
    );
    const other = await openConnection({ url: own.urls.API_DATABASE_URL });
    try {
      await other.query('START TRANSACTION');
      await other.query('SELECT gid FROM runs WHERE gid = ? FOR UPDATE', [open]);
      await api.confirmEnded(200);
    } finally {
      await other.query('ROLLBACK');
      other.destroy();
    }
    const [rows] = await admin.query(
      'SELECT start_confirmed_at IS NOT NULL AS isConfirmed FROM runs WHERE gid IN (?) ORDER BY gid',
      [[open, ended]],
    );
    expect(rows).toEqual([{ isConfirmed: 0 }, { isConfirmed: 1 }]);
  });
});
