import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import { differingBooks, noteBooks } from '../../../../activities/reconciliation/books';
import { recordFindings } from '../../../../activities/reconciliation/findings-store';
import { SqlTimeout, type SqlPool } from '../../../../activities/fence/sql-transaction';
import type { Finding } from '../../../../contracts/engine/reconciliation';
import { shopSums } from '../../../../invariants/shop';
import type { KeptSums } from '../../../../invariants/stored-sums';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { fill } from '../../../../testing/bench/filling';
import { countingPool, mostRead, type StatementReads } from '../../../../testing/bench/rows-read';

let own: OwnDatabases;
let accord: SqlPool;
const admins = new Map<string, SqlPool>();
/** As the worker's user, counted. */
const pools = new Map<string, SqlPool>();
const reads: StatementReads[] = [];

beforeAll(async () => {
  own = await ownDatabases(['accounts', 'inventory', 'coupons', 'accord']);
  accord = own.pool(own.urls.ACCORD_DATABASE_URL);
  const urls = {
    accounts: own.urls.ACCOUNTS_DATABASE_URL,
    inventory: own.urls.INVENTORY_DATABASE_URL,
    coupons: own.urls.COUPONS_DATABASE_URL,
  };
  for (const participant of ['accounts', 'inventory', 'coupons'] as const) {
    admins.set(participant, own.pool(own.adminUrl(participant)));
    pools.set(participant, countingPool(own.pool(urls[participant]), reads));
  }
}, 60_000);
afterAll(() => own.drop());

function admin(participant: string): SqlPool {
  const pool = admins.get(participant);
  if (!pool) throw new Error(participant);
  return pool;
}
function worker(participant: string): SqlPool {
  const pool = pools.get(participant);
  if (!pool) throw new Error(participant);
  return pool;
}

function sumsOf(participant: string): KeptSums {
  const sums = shopSums[participant];
  if (!sums) throw new Error(participant);
  return sums;
}

/** A round as the job makes it; `isNoted`: what it has seen is told. */
async function round(
  participant: string,
  rows: number,
  { pool = worker(participant), isNoted = true } = {},
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (let after: string | null = null; ;) {
    const page: Awaited<ReturnType<typeof differingBooks>> = await differingBooks(
      accord,
      pool,
      sumsOf(participant),
      { participant, after, rows },
    );
    findings.push(...page.findings);
    if (page.seen && isNoted) await noteBooks(pool, page.seen);
    if (page.next === null) return findings;
    after = page.next;
  }
}
const subjectsOf = (findings: readonly Finding[]): readonly string[] => [
  ...new Set(findings.map(({ subject }) => subject)),
];

/** Numbers below `max`, at most ten thousand, as `i`. */
const numbers = (max: number) => `WITH RECURSIVE
  d (i) AS (VALUES ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7), ROW(8), ROW(9)),
  n (i) AS (SELECT a.i + 10 * b.i + 100 * c.i + 1000 * e.i AS i FROM d a, d b, d c, d e HAVING i < ${max})`;
const longAgo = 'UTC_TIMESTAMP(3) - INTERVAL 1 HOUR';

/** Forty keys with a hundred rows each; every tenth differs. */
const scenes = {
  accounts: {
    what: 'balance',
    tables: ['accounts', 'ledger_entries', 'account_sums'],
    fill: [
      `INSERT INTO accounts (id, tenant, kind, currency, balance) ${numbers(40)}
         SELECT CONCAT('t.', LPAD(i, 2, '0')), 't', 'customer', 'EUR', 200 + (i % 10 = 5) FROM n`,
      `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount, created_at) ${numbers(4_000)}
         SELECT CONCAT('order:t.', i), 'b', 'act', CONCAT('t.', LPAD(i % 40, 2, '0')), 'EUR', 2,
                IF(i < 2000, ${longAgo}, UTC_TIMESTAMP(3)) FROM n`,
    ],
    damage: 'UPDATE accounts SET balance = balance + ? WHERE id = ?',
    effect: `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount)
               VALUES ('order:t.new', 'b', 'act', ?, 'EUR', 5)`,
  },
  inventory: {
    what: 'stock',
    tables: ['stock', 'reservations', 'stock_sums'],
    fill: [
      `INSERT INTO stock (sku, tenant, total, available, frozen, sold) ${numbers(40)}
         SELECT CONCAT('t.', LPAD(i, 2, '0')), 't', 1000, 1000 - 25 - 50 - (i % 10 = 5), 25, 50 + (i % 10 = 5) FROM n`,
      `INSERT INTO reservations (gid, branch, sku, qty, state, updated_at) ${numbers(4_000)}
         SELECT CONCAT('order:t.', i), 'b', CONCAT('t.', LPAD(i % 40, 2, '0')), 1,
                ELT(1 + (i DIV 40) % 4, 'frozen', 'sold', 'released', 'sold'), IF(i < 2000, ${longAgo}, UTC_TIMESTAMP(3)) FROM n`,
    ],
    damage: 'UPDATE stock SET sold = sold + ?, total = total + ? WHERE sku = ?',
    effect: `INSERT INTO reservations (gid, branch, sku, qty) VALUES ('order:t.new', 'b', ?, 1)`,
  },
  coupons: {
    what: 'coupon',
    tables: ['coupons', 'coupon_reservations', 'coupon_sums'],
    fill: [
      `INSERT INTO coupons (id, tenant, total, available, frozen, used, discount_currency, discount_minor, expires_at)
         ${numbers(40)} SELECT CONCAT('t.', LPAD(i, 2, '0')), 't', 1000, 1000 - 25 - 50 - (i % 10 = 5), 25, 50 + (i % 10 = 5),
                'EUR', 1, UTC_TIMESTAMP(3) FROM n`,
      `INSERT INTO coupon_reservations (gid, branch, coupon_id, state, updated_at) ${numbers(4_000)}
         SELECT CONCAT('order:t.', i), 'b', CONCAT('t.', LPAD(i % 40, 2, '0')),
                ELT(1 + (i DIV 40) % 4, 'frozen', 'used', 'released', 'used'), IF(i < 2000, ${longAgo}, UTC_TIMESTAMP(3)) FROM n`,
    ],
    damage: 'UPDATE coupons SET used = used + ?, total = total + ? WHERE id = ?',
    effect: `INSERT INTO coupon_reservations (gid, branch, coupon_id) VALUES ('order:t.new', 'b', ?)`,
  },
} as const;

describe.each(['accounts', 'inventory', 'coupons'] as const)('the sums of %s', (participant) => {
  const { what, tables, fill: filling, damage, effect } = scenes[participant];
  const subject = (id: string): string => `${what} t.${id}`;
  const differ = ['05', '15', '25', '35'].map(subject);

  beforeEach(async () => {
    for (const table of [...tables, 'fence'])
      await admin(participant).change(`DELETE FROM ${table}`);
    await accord.change(`UPDATE findings SET state = 'gone'`);
    await admin(participant).change(
      `UPDATE books_position SET walked_to = '', effects_at = UTC_TIMESTAMP(3) - INTERVAL 1 DAY, effects_gid = ''`,
    );
    for (const sql of filling) await admin(participant).change(sql);
    reads.length = 0;
  });

  it('that differ are found in pages of any size, also behind what is settled', async () => {
    expect(subjectsOf(await round(participant, 7))).toEqual(differ);
    expect(subjectsOf(await round(participant, 200))).toEqual(differ);
    expect(subjectsOf(await round(participant, 200))).toEqual(differ);
  });

  it('are looked at in turn, a bounded number a round, and none is left out', async () => {
    const found: string[][] = [];
    for (let at = 0; at < 5; at += 1) found.push([...subjectsOf(await round(participant, 1))]);
    expect(found).toEqual([[differ[0]], [differ[1]], [differ[2]], [differ[3]], []]);
  });

  it('have the same turn again where nobody has noted what was seen', async () => {
    await round(participant, 1, { isNoted: false });
    expect(subjectsOf(await round(participant, 1))).toEqual([differ[0]]);
  });

  it('that an effect has touched are compared in the next round, out of their turn', async () => {
    await admin(participant).change(effect, ['t.38']);
    await admin(participant).change(
      `INSERT INTO fence (gid, branch, state, attempt_token, epoch, created_at)
         VALUES ('order:t.new', 'b', 'acted', REPEAT('x', 16), 1, UTC_TIMESTAMP(3) - INTERVAL 2 MINUTE)`,
    );
    expect(subjectsOf(await round(participant, 1))).toEqual([subject('38'), differ[0]]);
    expect(subjectsOf(await round(participant, 1))).toEqual([differ[1]]);
  });

  it('that are a finding are compared in each round, so that it can be gone', async () => {
    const by = (difference: number) => [
      ...Array<number>(participant === 'accounts' ? 1 : 2).fill(difference),
      't.38',
    ];
    await admin(participant).change(damage, by(1));
    const findings = (await round(participant, 200)).filter((one) => one.subject === subject('38'));
    expect(findings).toHaveLength(1);
    await recordFindings(
      accord,
      findings.map((finding) => ({ finding, state: 'open' })),
    );
    expect(subjectsOf(await round(participant, 1))).toEqual([subject('38'), differ[0]]);
    await admin(participant).change(damage, by(-1));
    expect(subjectsOf(await round(participant, 1))).toEqual([differ[1]]);
  });
});

describe('an account with a long history', () => {
  const entries = 120_000;
  beforeAll(async () => {
    const accounts = admin('accounts');
    for (const table of ['accounts', 'ledger_entries', 'account_sums'])
      await accounts.change(`DELETE FROM ${table}`);
    await accounts.change(
      `INSERT INTO accounts (id, tenant, kind, currency, balance) VALUES ('t.A', 't', 'merchant', 'EUR', 0), ('t.B', 't', 'merchant', 'EUR', ${entries + 1})`,
    );
    // Together they come to nothing.
    await fill(accounts, {
      into: 'ledger_entries (gid, branch, op, account_id, currency, amount, created_at)',
      select: `CONCAT('order:a.', i), 'b', 'act', 't.A', 'EUR', IF(i % 2 = 0, 1, -1), ${longAgo}`,
      from: 0,
      to: 10_000,
    });
    await fill(accounts, {
      into: 'ledger_entries (gid, branch, op, account_id, currency, amount, created_at)',
      select: `CONCAT('order:t.', i), 'b', 'act', 't.B', 'EUR', 1, ${longAgo}`,
      from: 0,
      to: entries,
    });
  }, 60_000);
  beforeEach(async () => {
    await admin('accounts').change('DELETE FROM account_sums');
    await admin('accounts').change(`UPDATE books_position SET walked_to = ''`);
    reads.length = 0;
  });

  it('costs its new entries once it is settled', async () => {
    expect(subjectsOf(await round('accounts', 200))).toEqual(['balance t.B']);
    reads.length = 0;
    expect(subjectsOf(await round('accounts', 200))).toEqual(['balance t.B']);
    expect(mostRead(reads).rows).toBeLessThan(50);
  });

  it('is settled in steps where that takes too long at once, and compared in the same round', async () => {
    const steps: number[] = [];
    const slow: SqlPool = {
      ...worker('accounts'),
      async select(sql, values = []) {
        const rows = await worker('accounts').select<never>(sql, values);
        if (!/ AS more\b/.test(sql)) return rows;
        const sum = rows.reduce((most, { more }) => Math.max(most, Number(more)), 0);
        if (sum > 60_000) throw new SqlTimeout('Slow.');
        steps.push(sum);
        return rows;
      },
    };
    expect(subjectsOf(await round('accounts', 200, { pool: slow }))).toEqual(['balance t.B']);
    expect(steps.filter((rows) => rows > 0)).toEqual([50_000, 50_000, 20_000]);
  });
});
