import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { Gid } from '../../../../contracts/engine/ids';
import type { SettlementScope } from '../../../../contracts/participants/settlements';
import { openRunsBehind } from '../../../../activities/reconciliation/open-runs';
import { judgeReservations } from '../../../../activities/reconciliation/reservations';
import { settlementsDue } from '../../../../activities/accounts/scheduled-settlements';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { ownDatabases, unhurried, type OwnDatabases } from '../../../support/databases';
import { countingPool, mostRead, type StatementReads } from '../../../../testing/bench/rows-read';

/** A statement is killed after three seconds: a job whose statements grow with the tables would one day stop for good. */
describe('what a page of a job reads', () => {
  let own: OwnDatabases;
  let accord: SqlPool;
  /** One connection, whose counters are asked afterwards. */
  let accounts: SqlPool;
  beforeAll(async () => {
    own = await ownDatabases(['accounts', 'accord']);
    accord = own.pool(own.adminUrl('accord'), { limits: unhurried });
    accounts = own.pool(own.adminUrl('accounts'), { connectionLimit: 1, limits: unhurried });
  }, 60_000);
  afterAll(() => own.drop());
  beforeEach(async () => {
    await accounts.change('DELETE FROM fence');
    await accounts.change('DELETE FROM merchant_movements');
  });

  const rowsReadBy = async (work: () => Promise<unknown>): Promise<number> => {
    await accounts.change('FLUSH STATUS');
    await work();
    const counters = await accounts.select<{ Value: string }>(
      "SHOW SESSION STATUS LIKE 'Handler_read%'",
    );
    return counters.reduce((sum, { Value }) => sum + Number(Value), 0);
  };
  const numbers = (max: number) => `WITH RECURSIVE
    d (i) AS (VALUES ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7), ROW(8), ROW(9)),
    n (i) AS (SELECT a.i + 10 * b.i + 100 * c.i + 1000 * e.i AS i FROM d a, d b, d c, d e HAVING i < ${max})`;

  it('of open reservations are those alone, however many rows have no end yet', async () => {
    await accounts.change(
      `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch, created_at, amounts)
         ${numbers(5_000)}
         SELECT CONCAT('order:acme.O-', i), 'holdFunds', IF(i % 1000 = 7, 'acted', 'confirmed'), 1, REPEAT('x', 16), 1,
                UTC_TIMESTAMP(3) - INTERVAL 1 HOUR, '[]' FROM n`,
    );
    let looked = 0;
    const read = await rowsReadBy(async () => {
      const page = { participant: 'accounts', after: null, rows: 200 } as const;
      ({ looked } = await judgeReservations(accord, accounts, page));
    });
    expect(looked).toBe(5);
    expect(read).toBeLessThan(100);
  });

  it('of open runs are those alone, a bounded number, however many rows have ended; each is on some page', async () => {
    const row = (prefix: string, ended: string) =>
      accord.change(
        `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, region, epoch,
           accepted_at, start_confirmed_at, deadline_at, at_risk, state, ended_at, ending)
           ${numbers(5_000)}
           SELECT CONCAT('order:acme.${prefix}', LPAD(i, 4, '0')), 'acme', 'order', CONCAT('${prefix}', i), 'POST /v1/orders', REPEAT('x', 32), '{}',
                  '', 'a', 1, at, at, at, '[]', ${ended}
             FROM (SELECT i, UTC_TIMESTAMP(3) - INTERVAL IF(i % 1000 = 999, 600, 0) SECOND AS at FROM n) aged`,
      );
    await row('E', `'completed', at, '{}'`);
    await row('O', `'running', NULL, NULL`);
    const reads: StatementReads[] = [];
    const counted = countingPool(accord, reads);
    const found: string[] = [];
    for (let after: Gid | null = null; ;) {
      const page: Awaited<ReturnType<typeof openRunsBehind>> = await openRunsBehind(counted, {
        after,
        rows: 2,
      });
      found.push(...page.runs.map(({ gid }) => gid));
      if (page.next === null) break;
      after = page.next;
    }
    expect(found).toEqual([0, 1, 2, 3, 4].map((thousand) => `order:acme.O${thousand}999`));
    // An entry of the index and its row.
    expect(mostRead(reads).rows).toBeLessThanOrEqual(2 * 1_000 + 10);
  });

  it('of what to settle are its tenants and currencies, not their movements; each is found on some page', async () => {
    await accounts.change(
      `INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount, occurred_at, settlement_id, settlement_page)
         ${numbers(5_000)}
         SELECT CONCAT('order:t.O-', i), 'captureFunds', 'act', CONCAT('t', i % 5, '.m'), CONCAT('t', i % 5), 'EUR', 1,
                IF(i % 5 = 1, '2026-01-02 00:00:00', '2026-01-01 12:00:00'), IF(i % 5 = 3, 's', NULL), IF(i % 5 = 3, 1, NULL) FROM n`,
    );
    const aSale = (tenant: string, currency: string) =>
      accounts.change(
        `INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount, occurred_at)
           VALUES (?, 'captureFunds', 'act', ?, ?, ?, 1, '2026-01-01 12:00:00')`,
        [`order:${tenant}.${currency}`, `${tenant}.m-${currency}`, tenant, currency],
      );
    await aSale('t0', 'CLF'); // A currency before that of the others, and one behind it.
    await aSale('t0', 'ZMW');
    await aSale('t1', 'JPY'); // Nothing else of this tenant is due.
    const found: string[] = [];
    const read = await rowsReadBy(async () => {
      for (let after: SettlementScope | null = null; ;) {
        const page: Awaited<ReturnType<typeof settlementsDue>> = await settlementsDue(accounts, {
          day: '2026-01-01',
          after,
          rows: 2,
        });
        found.push(...page.due.map(({ tenant, currency }) => `${tenant}.${currency}`));
        if (page.next === null) break;
        after = page.next;
      }
    });
    expect(found).toEqual(['t0.CLF', 't0.EUR', 't0.ZMW', 't1.JPY', 't2.EUR', 't4.EUR']);
    expect(read).toBeLessThan(100);
  });
});
