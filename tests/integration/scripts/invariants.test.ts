import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { differencesOf } from '../../../activities/reconciliation/stored-sums';
import type { SqlPool } from '../../../activities/fence/sql-transaction';
import { openSession } from '../../../invariants/mysql-session';
import { shopChecks, shopSums } from '../../../invariants/shop';
import { brokenRows, openRunner, windowOf } from '../../../invariants/runner';
import type { KeptSums } from '../../../invariants/stored-sums';
import type { Reading } from '../../../invariants/reading';
import { fillBooks } from '../../../testing/bench/filled-books';
import { fill, patient } from '../../../testing/bench/filling';
import { plansOf, type Plan } from '../../../testing/bench/invariants';
import { countedStatements, type StatementReads } from '../../../testing/bench/rows-read';
import { databases } from '../../../runtime/databases/shop';
import { ownDatabases, type OwnDatabases } from '../../support/databases';

function sumsOf(participant: string): KeptSums {
  const sums = shopSums[participant];
  if (!sums) throw new Error(participant);
  return sums;
}

/** More than are new, so that a scan would read what an index need not. */
const transactions = 10_000;
/** Tables that grow with every transaction have more rows than this here. */
const fewRows = 4_000;
/** They grow with customers, and their sum is asked: every account is part of it. */
const summed = new Set(['accounts', 'a']);

describe('a look at what changed lately', () => {
  let own: OwnDatabases;
  let urls: readonly string[];

  beforeAll(async () => {
    own = await ownDatabases(databases);
    urls = own.urls.VERIFY_DATABASE_URLS.split(',');
    await fillBooks(
      (database) => own.adminUrl(database),
      transactions,
      () => undefined,
    );
    // As reconciliation leaves it, which waits until rows are older than these are.
    const settle = async (database: 'accounts' | 'inventory', sql: string) => {
      await own.pool(own.adminUrl(database), { limits: patient }).change(sql);
    };
    const settled = 'UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE';
    await settle(
      'accounts',
      `INSERT INTO account_sums SELECT account_id, MAX(id), SUM(amount) FROM ledger_entries
         WHERE id <= (SELECT MAX(id) FROM ledger_entries WHERE created_at <= ${settled}) GROUP BY account_id`,
    );
    await settle(
      'inventory',
      `INSERT INTO stock_sums SELECT sku, s.until, SUM(qty) FROM reservations, (SELECT ${settled} AS until) s
         WHERE state = 'sold' AND updated_at <= s.until GROUP BY sku, s.until`,
    );
  }, 180_000);
  afterAll(() => own.drop());

  it('finds what is new by an index: no table that grows with transactions is read whole', async () => {
    const plans = await plansOf(urls);
    expect(plans.length).toBeGreaterThan(30);
    const scans = (plan: Plan) =>
      plan.steps
        .filter(({ type, rows }) => (type === 'ALL' || type === 'index') && rows > fewRows)
        .filter(({ table }) => !table.startsWith('<') && !summed.has(table))
        .map(({ table, type, rows }) => `${plan.id} ${plan.database}: ${table} ${type} ${rows}`);
    expect(plans.flatMap(scans)).toEqual([]);
  });

  it('judges fewer rows than the whole, and both find filled books sound', async () => {
    const pack = openRunner(urls, { checks: shopChecks });
    try {
      const lately = await pack.check(['moment', 'ended']);
      const whole = await pack.check(['whole']);
      expect([...lately.violations, ...whole.violations]).toEqual([]);
      const judged = (of: typeof whole, id: string) =>
        of.checks.find((check) => check.id === id && check.database !== 'coupons')?.rows ?? 0;
      for (const id of ['B', 'F', 'F2', 'G', 'X2', 'X4', 'X6']) {
        expect(judged(lately, id)).toBeGreaterThan(0);
        expect(judged(lately, id)).toBeLessThan(judged(whole, id));
      }
    } finally {
      await pack.close();
    }
  }, 60_000);
});

describe('a look at one key with a long history', () => {
  const history = 30_000;
  const old = 'UTC_TIMESTAMP(3) - INTERVAL 1 HOUR';
  const participants = ['accounts', 'inventory', 'coupons'] as const;
  type Participant = (typeof participants)[number];
  const scenes = {
    accounts: {
      id: 'C',
      key: `INSERT INTO accounts (id, tenant, kind, currency, balance) VALUES ('t.A', 't', 'merchant', 'EUR', ${history})`,
      rows: 'ledger_entries (gid, branch, op, account_id, currency, amount, created_at)',
      row: `CONCAT('order:t.', i), 'b', 'act', 't.A', 'EUR', 1, ${old}`,
      effect: [
        `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ('order:t.new', 'b', 'act', 't.A', 'EUR', 1)`,
        `UPDATE accounts SET balance = balance + 1`,
      ],
      damage: `UPDATE accounts SET balance = balance + 1`,
    },
    inventory: {
      id: 'D',
      key: `INSERT INTO stock (sku, tenant, total, available, sold) VALUES ('t.A', 't', 100000, 100000 - ${history}, ${history})`,
      rows: 'reservations (gid, branch, sku, qty, state, updated_at)',
      row: `CONCAT('order:t.', i), 'b', 't.A', 1, 'sold', ${old}`,
      effect: [
        `INSERT INTO reservations (gid, branch, sku, qty, state) VALUES ('order:t.new', 'b', 't.A', 1, 'sold')`,
        `UPDATE stock SET available = available - 1, sold = sold + 1`,
      ],
      damage: `UPDATE stock SET available = available - 1, sold = sold + 1`,
    },
    coupons: {
      id: 'D2',
      key: `INSERT INTO coupons (id, tenant, total, available, used, discount_currency, discount_minor, expires_at)
              VALUES ('t.A', 't', 100000, 100000 - ${history}, ${history}, 'EUR', 1, UTC_TIMESTAMP(3))`,
      rows: 'coupon_reservations (gid, branch, coupon_id, state, updated_at)',
      row: `CONCAT('order:t.', i), 'b', 't.A', 'used', ${old}`,
      effect: [
        `INSERT INTO coupon_reservations (gid, branch, coupon_id, state) VALUES ('order:t.new', 'b', 't.A', 'used')`,
        `UPDATE coupons SET available = available - 1, used = used + 1`,
      ],
      damage: `UPDATE coupons SET available = available - 1, used = used + 1`,
    },
  } as const;
  /** What a first look takes for new, whatever its age: entries by their numbers. */
  const entriesOfLook = 2_000;

  let own: OwnDatabases;
  const admins = new Map<Participant, SqlPool>();
  const admin = (of: Participant): SqlPool => {
    const pool = admins.get(of);
    if (!pool) throw new Error(of);
    return pool;
  };
  const read = { accounts: 0, inventory: 0, coupons: 0 };

  beforeAll(async () => {
    own = await ownDatabases(participants);
    for (const of of participants) {
      admins.set(of, own.pool(own.adminUrl(of), { limits: patient }));
      const { key, rows, row, effect } = scenes[of];
      await admin(of).change(key);
      for (let from = 0; from < history; from += 10_000)
        await fill(admin(of), { into: rows, select: row, from, to: from + 10_000 });
      await differencesOf(admin(of), sumsOf(of), ['t.A']); // Stores it.
      for (const sql of effect) await admin(of).change(sql);
      await admin(of).change(
        `INSERT INTO fence (gid, branch, state, attempt_token, epoch) VALUES ('order:t.new', 'b', 'confirmed', REPEAT('x', 16), 1)`,
      );
    }
  }, 120_000);
  afterAll(() => own.drop());

  /** What its check finds, as the user of the API. */
  async function look(of: Participant): Promise<readonly object[]> {
    const urls = own.urls.API_BOOKS_DATABASE_URLS.split(',');
    const session = openSession(urls.find((url) => url.endsWith(of)) ?? '');
    try {
      return await session.snapshot(async (snapshot) => {
        const { window } = await windowOf(snapshot, null, shopChecks.growing[of]);
        const asked = shopChecks.oracles.find(({ id }) => id === scenes[of].id)?.lately?.(window);
        if (!asked) throw new Error(`No check of ${of}.`);
        const reads: StatementReads[] = [];
        const found = await brokenRows(counted(snapshot, reads), asked);
        read[of] = reads.reduce((sum, { rows }) => sum + rows, 0);
        return found;
      });
    } finally {
      await session.close();
    }
  }
  const counted = (snapshot: Reading, reads: StatementReads[]): Pick<Reading, 'select'> =>
    countedStatements(
      {
        select: (sql: string, values?: readonly unknown[]) => snapshot.select(sql, values),
        change: async (sql: string) => (await snapshot.select(sql), 0),
      },
      (one) => reads.push(one),
    ) as Pick<Reading, 'select'>;

  it.each(participants)(
    'of %s reads what is new of it, and finds what differs behind what is settled',
    async (of) => {
      expect(await look(of)).toEqual([]);
      expect(read[of]).toBeLessThanOrEqual((of === 'accounts' ? 2 * entriesOfLook : 0) + 50);
      await admin(of).change(scenes[of].damage);
      expect(await look(of)).toMatchObject([{ subject: 't.A' }]);
    },
  );
});
