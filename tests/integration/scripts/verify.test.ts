import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import type { SqlPool } from '../../../activities/fence/sql-transaction';
import { auditHash, chainStart } from '../../../api/stores/audit-store';
import { checksOf } from '../../../invariants/checks';
import { openRunner, type Runner } from '../../../invariants/runner';
import { shopChecks } from '../../../invariants/shop';
import { checkInvariants } from '../../../testing/verify/verification';
import { readAudits } from '../../../testing/verify/audits';
import { databases, type Database } from '../../../runtime/databases/shop';
import { seed } from '../../../scripts/seed';
import { checkout, environmentWith } from '../../../testing/stack/config';
import { ownDatabases, type OwnDatabases } from '../../support/databases';

let own: OwnDatabases;
/** Kept open from one plant to the next, as beside a load. */
let pack: Runner;
const admins = new Map<Database, SqlPool>();

beforeAll(async () => {
  own = await ownDatabases(databases);
  pack = openRunner(own.urls.VERIFY_DATABASE_URLS.split(','), { checks: shopChecks });
  await seed(own.urls, 'acme');
  for (const database of databases) {
    admins.set(database, own.pool(own.adminUrl(database), { connectionLimit: 1 }));
  }
}, 60_000);
afterAll(async () => {
  await pack.close();
  await own.drop();
});

const verifyUrls = (): string => own.urls.VERIFY_DATABASE_URLS;

const admin = (database: Database): SqlPool => {
  const pool = admins.get(database);
  if (!pool) throw new Error(`${database} is not open.`);
  return pool;
};

interface Planted {
  readonly what: string;
  readonly in: Database;
  /** How the oracle's name begins. */
  readonly oracle: string;
  readonly plant: readonly string[];
  readonly clear: readonly string[];
  /** Nothing tells that it is new: the whole shows it, a look at what changed lately does not. */
  readonly isOfAnyAge?: true;
  /** CHECKs that would refuse it; for the test alone they are off. */
  readonly without?: string;
}

const effect = `'order:acme.P-1'`;
const fence = (state: string, more = '', branch = 'holdFunds', gid = effect): string =>
  `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch ${more && ', created_at'})
     VALUES (${gid}, '${branch}', '${state}', 1, RANDOM_BYTES(16), 1 ${more && `, ${more}`})`;
const event = (op: string, gid = effect, branch = 'holdFunds'): string =>
  `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch)
     VALUES (CONCAT(${gid}, '/${branch}/${op}/1'), ${gid}, '${branch}', '${op}', 't', 't', 'a', 1, '{}', 1)`;
const all = (...tables: readonly string[]): readonly string[] =>
  tables.map((table) => `DELETE FROM ${table}`);
const run = (state: string): string =>
  `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, state, region, epoch,
                     accepted_at, deadline_at, at_risk, ending, ended_at)
     VALUES (${effect}, 'acme', 'order', 'P-1', 'POST /v1/orders', UNHEX(REPEAT('00', 32)), '{}', ${effect}, '${state}',
             'a', 1, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), '[]', '{}', UTC_TIMESTAMP(3))`;
const order = (status: string, amount: number): readonly string[] => [
  `INSERT INTO orders (order_id, customer_id, gid, branch, status, currency, amount_minor)
     VALUES ('acme.P-1', 'acme.C', ${effect}, 'createOrder', '${status}', 'EUR', ${amount})`,
  `INSERT INTO order_lines (order_id, line_no, sku, qty, unit_price_minor, currency)
     VALUES ('acme.P-1', 1, 'acme.S-1', 2, 100, 'EUR')`,
];
const payment = `INSERT INTO payments (payment_id, tenant, payer_id, payee_id, currency, amount, requested_by, gid, branch)
  VALUES ('acme.P', 'acme', 'acme.A-1', 'acme.A-2', 'EUR', 500, 'till', 'payment:acme.P', 'openPayment')`;
const opened = fence('acted', '', 'openPayment', `'payment:acme.P'`);
const refund = `INSERT INTO refunds (refund_id, payment_id, tenant, payee_id, payer_id, currency, amount, kind, reason, state, requested_by, gid, branch)
  VALUES ('acme.R', 'acme.P', 'acme', 'acme.A-2', 'acme.A-1', 'EUR', 100, 'refund', 'r', 'completed', 'till', 'refund:acme.R', 'reserveRefund')`;
const entries = (gid: string, ...accounts: readonly (readonly [string, number])[]): string =>
  `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount) VALUES ${accounts
    .map(([id, amount]) => `(${gid}, 'x', 'act', 'acme.${id}', 'EUR', ${amount})`)
    .join(', ')}`;
const movement = (gid: string, settled = 'NULL, NULL'): string =>
  `INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount, settlement_id, settlement_page)
     VALUES (${gid}, 'x', 'act', 'acme.merchant-EUR', 'acme', 'EUR', 7, ${settled})`;
const position = (net: number): string =>
  `INSERT INTO settlement_positions (settlement_id, account_id, currency, movements, credited, net)
     VALUES ('acme.EUR-2026-11-20', 'acme.merchant-EUR', 'EUR', 1, ${net}, ${net})`;
const settlement = `INSERT INTO settlements (settlement_id, tenant, currency, day, closes_at, state, requested_by, gid, closed_at)
  VALUES ('acme.EUR-2026-11-20', 'acme', 'EUR', '2026-11-20', '2026-11-21', 'closed', 'till', 'settlement:acme.EUR-2026-11-20', UTC_TIMESTAMP(3))`;
const takings = [
  entries(`'opening:x'`, ['merchant-EUR', 7], ['external-EUR', -7]),
  `UPDATE accounts SET balance = balance + IF(kind = 'merchant', 7, -7) WHERE id IN ('acme.merchant-EUR', 'acme.external-EUR')`,
];
const noTakings = [
  `DELETE FROM ledger_entries WHERE gid = 'opening:x'`,
  `UPDATE accounts SET balance = balance - IF(kind = 'merchant', 7, -7) WHERE id IN ('acme.merchant-EUR', 'acme.external-EUR')`,
];

const planted: readonly Planted[] = [
  {
    what: 'money out of nothing',
    in: 'accounts',
    oracle: 'A:',
    plant: [`UPDATE accounts SET balance = balance + 1 WHERE id = 'acme.A-1'`],
    clear: [`UPDATE accounts SET balance = balance - 1 WHERE id = 'acme.A-1'`],
  },
  {
    what: 'an effect with one leg',
    in: 'accounts',
    oracle: 'B:',
    plant: [entries(effect, ['A-1', 5])],
    clear: [`DELETE FROM ledger_entries WHERE gid = ${effect}`],
  },
  {
    what: 'a balance beside its entries',
    in: 'accounts',
    oracle: 'C:',
    plant: [
      `UPDATE accounts SET balance = balance + IF(id = 'acme.A-1', 1, -1) WHERE id IN ('acme.A-1', 'acme.A-2')`,
    ],
    clear: [
      `UPDATE accounts SET balance = balance - IF(id = 'acme.A-1', 1, -1) WHERE id IN ('acme.A-1', 'acme.A-2')`,
    ],
  },
  {
    what: 'money that is held for nobody',
    in: 'accounts',
    oracle: 'C2:',
    plant: [`UPDATE accounts SET balance = balance - 1, held = held + 1 WHERE id = 'acme.A-1'`],
    clear: [`UPDATE accounts SET balance = balance + 1, held = held - 1 WHERE id = 'acme.A-1'`],
  },
  {
    what: 'frozen stock without a reservation',
    isOfAnyAge: true,
    in: 'inventory',
    oracle: 'D:',
    plant: [`UPDATE stock SET available = available - 1, frozen = 1 WHERE sku = 'acme.S-1'`],
    clear: [`UPDATE stock SET available = available + 1, frozen = 0 WHERE sku = 'acme.S-1'`],
  },
  {
    what: 'a used coupon that nobody used',
    isOfAnyAge: true,
    in: 'coupons',
    oracle: 'D2:',
    plant: [`UPDATE coupons SET available = available - 1, used = 1 WHERE id = 'acme.C-10'`],
    clear: [`UPDATE coupons SET available = available + 1, used = 0 WHERE id = 'acme.C-10'`],
  },
  {
    what: 'stock that is off by one after a confirm',
    in: 'inventory',
    oracle: 'D:',
    plant: [
      fence('confirmed'),
      `INSERT INTO reservations (gid, branch, sku, qty, state) VALUES (${effect}, 'holdFunds', 'acme.S-1', 1, 'sold')`,
      `UPDATE stock SET available = available - 2, sold = 2 WHERE sku = 'acme.S-1'`,
    ],
    clear: [
      ...all('reservations', 'fence'),
      `UPDATE stock SET available = available + 2, sold = 0 WHERE sku = 'acme.S-1'`,
    ],
  },
  {
    what: 'a coupon that was used and is still free',
    in: 'coupons',
    oracle: 'D2:',
    plant: [
      fence('confirmed'),
      `INSERT INTO coupon_reservations (gid, branch, coupon_id, state) VALUES (${effect}, 'holdFunds', 'acme.C-10', 'used')`,
    ],
    clear: all('coupon_reservations', 'fence'),
  },
  {
    what: 'an event that was consumed and left no view',
    in: 'orders',
    oracle: 'V:',
    plant: [
      fence('acted'),
      event('act'),
      `INSERT INTO consumed (consumer, event_id) VALUES ('accord-order-view', CONCAT(${effect}, '/holdFunds/act/1'))`,
    ],
    clear: all('consumed', 'outbox', 'fence'),
  },
  {
    what: 'an event that was consumed and never written',
    in: 'orders',
    oracle: 'V2:',
    isOfAnyAge: true,
    plant: [`INSERT INTO consumed (consumer, event_id) VALUES ('accord-order-view', 'x')`],
    clear: all('consumed'),
  },
  {
    what: 'a stored sum of an account that its entries do not make',
    isOfAnyAge: true,
    in: 'accounts',
    oracle: 'C3:',
    plant: [
      `INSERT INTO account_sums SELECT account_id, MAX(id), SUM(amount) + 1 FROM ledger_entries WHERE account_id = 'acme.A-1' GROUP BY account_id`,
    ],
    clear: all('account_sums'),
  },
  {
    what: 'a stored sum of stock without a reservation',
    isOfAnyAge: true,
    in: 'inventory',
    oracle: 'D3:',
    plant: [`INSERT INTO stock_sums VALUES ('acme.S-1', UTC_TIMESTAMP(3), 1)`],
    clear: all('stock_sums'),
  },
  {
    what: 'a stored sum of a coupon without a reservation',
    isOfAnyAge: true,
    in: 'coupons',
    oracle: 'D3:',
    plant: [`INSERT INTO coupon_sums VALUES ('acme.C-10', UTC_TIMESTAMP(3), 1)`],
    clear: all('coupon_sums'),
  },
  {
    what: 'a gap in an event stream',
    in: 'orders',
    oracle: 'E:',
    plant: [
      fence('acted'),
      event('act'),
      `INSERT INTO events (aggregate_id, version, type, gid, branch, data) VALUES ('a', 2, 't', ${effect}, 'b', '{}')`,
    ],
    clear: all('events', 'outbox', 'fence'),
  },
  {
    what: 'an effect without its event',
    in: 'inventory',
    oracle: 'F:',
    plant: [fence('acted')],
    clear: all('fence'),
  },
  {
    what: 'an event without its effect',
    in: 'orders',
    oracle: 'F2:',
    plant: [event('act')],
    clear: all('outbox'),
  },
  {
    what: 'an effect that is booked twice',
    in: 'accounts',
    oracle: 'G:',
    without: 'ALTER TABLE ledger_entries DROP KEY one_leg',
    plant: [entries(effect, ['A-1', 5], ['A-1', 5], ['external-EUR', -5], ['external-EUR', -5])],
    clear: [
      `DELETE FROM ledger_entries WHERE gid = ${effect}`,
      'ALTER TABLE ledger_entries ADD UNIQUE KEY one_leg (gid, branch, op, account_id)',
    ],
  },
  {
    what: 'a row of an epoch that has not begun',
    in: 'coupons',
    oracle: 'H:',
    plant: [fence('acted'), 'UPDATE fence SET epoch = 2'],
    clear: all('fence'),
  },
  {
    what: 'a row of an epoch that was over',
    in: 'orders',
    oracle: 'H:',
    plant: [
      fence('acted', 'UTC_TIMESTAMP(3) + INTERVAL 1 SECOND'),
      `UPDATE region_epoch SET epoch = 2, changed_at = UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE`,
    ],
    clear: [...all('fence'), `UPDATE region_epoch SET epoch = 1`],
  },
  {
    what: 'a hold whose fence was undone',
    in: 'accounts',
    oracle: 'J:',
    plant: [
      fence('undone'),
      `INSERT INTO holds (gid, branch, account_id, currency, amount) VALUES (${effect}, 'holdFunds', 'acme.A-1', 'EUR', 5)`,
    ],
    clear: all('holds', 'fence'),
  },
  {
    what: 'a credit that only its own row knows',
    isOfAnyAge: true,
    in: 'accounts',
    oracle: 'J:',
    plant: [
      `INSERT INTO credits (gid, branch, account_id, source_id, currency, amount) VALUES (${effect}, 'credit', 'acme.A-1', 'acme.A-2', 'EUR', 5)`,
    ],
    clear: all('credits'),
  },
  {
    what: 'a reservation that only the fence knows',
    in: 'coupons',
    oracle: 'J:',
    plant: [fence('acted')],
    clear: all('fence'),
  },
  {
    what: 'stock that was sold and never confirmed',
    in: 'inventory',
    oracle: 'J:',
    plant: [
      fence('acted'),
      `INSERT INTO reservations (gid, branch, sku, qty, state) VALUES (${effect}, 'holdFunds', 'acme.S-1', 1, 'sold')`,
    ],
    clear: all('reservations', 'fence'),
  },
  {
    what: 'an order that is completed and was taken back',
    in: 'orders',
    oracle: 'J:',
    plant: [fence('undone', '', 'createOrder'), ...order('completed', 200)],
    clear: all('fence', 'orders', 'order_lines'),
  },
  {
    what: 'an order that costs more than its lines',
    in: 'orders',
    oracle: 'K:',
    plant: [fence('undone', '', 'createOrder'), ...order('cancelled', 201)],
    clear: all('fence', 'orders', 'order_lines'),
  },
  {
    what: 'a payment that gives back more than it took',
    in: 'accounts',
    oracle: 'P:',
    without: 'ALTER TABLE payments ALTER CHECK payments_chk_6 NOT ENFORCED',
    plant: [payment, opened, 'UPDATE payments SET refunded = 1'],
    clear: [
      ...all('payments', 'fence'),
      'ALTER TABLE payments ALTER CHECK payments_chk_6 ENFORCED',
    ],
  },
  {
    what: 'a refund that its payment does not know',
    in: 'accounts',
    oracle: 'P2:',
    plant: [payment, refund, fence('confirmed', '', 'reserveRefund', `'refund:acme.R'`)],
    clear: all('refunds', 'payments', 'fence'),
  },
  {
    what: 'a payment that is completed without a booking',
    in: 'accounts',
    oracle: 'P3:',
    plant: [
      payment,
      opened,
      `UPDATE payments SET status = 'authorised'`,
      `UPDATE payments SET status = 'completed', captured = amount`,
    ],
    clear: all('payments', 'fence'),
  },
  {
    what: 'a sale that no settlement will ever find',
    in: 'accounts',
    oracle: 'S:',
    plant: [entries(effect, ['merchant-EUR', 7], ['external-EUR', -7])],
    clear: [`DELETE FROM ledger_entries WHERE gid = ${effect}`],
  },
  {
    what: 'a movement that was never booked',
    in: 'accounts',
    oracle: 'S:',
    plant: [movement(effect)],
    clear: all('merchant_movements'),
  },
  {
    what: 'a position beside its movements',
    in: 'accounts',
    oracle: 'S2:',
    plant: [
      ...takings,
      settlement,
      fence('acted', '', 'openSettlement', `'settlement:acme.EUR-2026-11-20'`),
      movement(`'opening:x'`, `'acme.EUR-2026-11-20', 1`),
      position(8),
    ],
    clear: [
      ...all('merchant_movements', 'settlement_positions', 'settlements', 'fence'),
      ...noTakings,
    ],
  },
  {
    what: 'a settlement beside its positions',
    in: 'accounts',
    oracle: 'S3:',
    plant: [settlement, position(8)],
    clear: all('settlements', 'settlement_positions'),
  },
];

describe('the books', () => {
  it('are sound after the seed, and every kind of oracle was asked', async () => {
    const { asked, checks, violations } = await checkInvariants(verifyUrls());
    expect(violations).toEqual([]);
    expect(asked).toBe(checks.length);
    const names = new Set(checks.map(({ oracle }) => oracle.split(':')[0]));
    expect([...names].sort().join(' ')).toBe(
      'A B C C2 C3 D D2 D3 E F F2 G H J K L L2 P P2 P3 S S2 S3 V V2 X2 X2b X4 X6',
    );
  });

  it.each(planted)('show $what', async (planting) => {
    const { in: database, oracle, plant, clear, without, isOfAnyAge = false } = planting;
    const pool = admin(database);
    if (without !== undefined) await pool.change(without);
    for (const statement of plant) await pool.change(statement);
    const asked = Promise.all([checkInvariants(verifyUrls()), pack.check(['moment'])]);
    await asked.catch(() => undefined);
    for (const statement of clear) await pool.change(statement);
    const [whole, lately] = await asked;
    const found = ({ violations }: typeof whole): boolean =>
      violations.some((one) => one.database === database && one.oracle.startsWith(oracle));
    expect({ whole: found(whole), lately: found(lately) }).toEqual({
      whole: true,
      lately: !isOfAnyAge,
    });
    expect((await checkInvariants(verifyUrls())).violations).toEqual([]);
    expect((await pack.check(['moment'])).violations).toEqual([]);
  });
});

describe('the checks of another application', () => {
  const closedWithMoney = {
    id: 'T1',
    name: 'a closed account is empty',
    participant: 'accounts',
    sql: `SELECT id AS subject FROM accounts WHERE status = 'closed' AND balance <> 0 LIMIT 10`,
  };

  it('are those of every application, and its own: each row is a violation', async () => {
    const runner = openRunner(verifyUrls().split(','), { checks: checksOf([closedWithMoney]) });
    const row = `'t.closed', 't', 'customer', 'EUR', 5, 'closed'`;
    try {
      const sound = await runner.check(['whole']);
      expect([...new Set(sound.checks.map(({ id }) => id))].sort().join(' ')).toBe(
        'F F2 H T1 X2 X2b X6',
      );
      expect(sound.violations).toEqual([]);
      await admin('accounts').change(
        `INSERT INTO accounts (id, tenant, kind, currency, balance, status) VALUES (${row})`,
      );
      expect((await runner.check(['whole'])).violations).toEqual([
        {
          ...{ id: 'T1', oracle: 'T1: a closed account is empty', database: 'accounts' },
          row: { subject: 't.closed' },
        },
      ]);
    } finally {
      await admin('accounts').change(`DELETE FROM accounts WHERE id = 't.closed'`);
      await runner.close();
    }
  });

  it('bear no id of a check that every application has', () => {
    expect(() => checksOf([{ ...closedWithMoney, id: 'F' }])).toThrow('a check F of its own');
  });
});

/** A whole order as it would stand had something gone wrong between the databases. */
async function plantEverywhere(statements: Partial<Record<Database, readonly string[]>>) {
  for (const database of databases) {
    for (const statement of statements[database] ?? []) await admin(database).change(statement);
  }
  const { violations } = await checkInvariants(verifyUrls());
  const lately = await pack.check(['ended']);
  expect(lately.violations).toEqual(violations.filter(({ id }) => id.startsWith('X')));
  for (const database of databases) {
    for (const table of ['fence', 'outbox', ...(database === 'accord' ? ['runs'] : [])]) {
      await admin(database).change(`DELETE FROM ${table}`);
    }
  }
  await admin('orders').change('DELETE FROM orders');
  await admin('orders').change('DELETE FROM order_lines');
  return violations.map(({ oracle, database, row }) => ({
    oracle: oracle.slice(0, 2),
    database,
    row,
  }));
}

describe('what holds across databases', () => {
  it('is broken by a participant that only acted, in a transaction that completed', async () => {
    expect(
      await plantEverywhere({ accord: [run('completed')], inventory: [fence('acted')] }),
    ).toContainEqual({
      oracle: 'X2',
      database: 'inventory',
      row: { gid: 'order:acme.P-1', branch: 'holdFunds', state: 'acted', ending: 'completed' },
    });
  });

  it('is broken by a participant that was not undone, in a transaction that was compensated', async () => {
    const leaked = { accord: [run('compensated')], coupons: [fence('confirmed')] };
    expect((await plantEverywhere(leaked)).map(({ oracle }) => oracle)).toContain('X2');
  });

  /** As an ending declares that a person has answered for a step. */
  const byHand = (step: string, branch: string, decision: 'done' | 'skip', booked = false) =>
    `UPDATE runs SET by_hand = '${decision === 'skip' && !booked ? 'open' : 'closed'}',
       resolved_by_hand = '${JSON.stringify([{ step, branch, decision, booked: booked ? {} : null }])}'`;
  const captured = [fence('acted', '', 'captureFunds'), 'UPDATE fence SET reserves = 0'];

  it('is not broken by what an ending declares as skipped by hand, as long as nobody has booked it', async () => {
    const found = await plantEverywhere({
      accord: [run('completed'), byHand('confirmStock', 'reserveStock', 'skip')],
      accounts: captured,
      inventory: [fence('acted', '', 'reserveStock')],
    });
    expect(found.filter(({ oracle }) => oracle.startsWith('X'))).toEqual([]);
  });

  it.each([
    ['done by hand', 'done', false],
    ['booked', 'skip', true],
  ] as const)(
    'is broken by what was said to be %s and is still reserved',
    async (_, said, booked) => {
      expect(
        await plantEverywhere({
          accord: [run('completed'), byHand('confirmStock', 'reserveStock', said, booked)],
          accounts: captured,
          inventory: [fence('acted', '', 'reserveStock')],
        }),
      ).toContainEqual({
        oracle: 'X2',
        database: 'inventory',
        row: { gid: 'order:acme.P-1', branch: 'reserveStock', state: 'acted', ending: 'completed' },
      });
    },
  );

  it('is not broken inside of a database by what an ending declares, and is by the same undeclared', async () => {
    const damaged = { inventory: [fence('confirmed', '', 'reserveStock')] };
    const declared = [run('compensated'), byHand('reserveStock', 'reserveStock', 'skip')];
    const ofF = (found: readonly { readonly oracle: string }[]) =>
      found.filter(({ oracle }) => oracle === 'F:' || oracle.startsWith('X2'));
    expect(ofF(await plantEverywhere({ accord: declared, ...damaged }))).toEqual([]);
    expect(
      ofF(await plantEverywhere({ accord: [run('compensated')], ...damaged })).map(
        ({ oracle }) => oracle,
      ),
    ).toEqual(['F:', 'X2']);
  });

  it('is broken by a transaction that was never accepted, once it is old enough', async () => {
    const old = fence('undone', 'UTC_TIMESTAMP(3) - INTERVAL 65 SECOND');
    expect(await plantEverywhere({ inventory: [old] })).toContainEqual({
      oracle: 'X2',
      database: 'inventory',
      row: { gid: 'order:acme.P-1' },
    });
    const found = await plantEverywhere({ inventory: [fence('undone')] });
    expect(found.filter(({ oracle }) => oracle === 'X2')).toEqual([]);
  });

  it('is broken by an order that costs something else than was captured', async () => {
    const orders = [fence('confirmed', '', 'createOrder'), ...order('completed', 200)];
    expect(await plantEverywhere({ accord: [run('completed')], orders })).toContainEqual({
      oracle: 'X4',
      database: 'orders',
      row: {
        gid: 'order:acme.P-1',
        order_id: 'acme.P-1',
        wanted: { captured: '200', sold: 'acme.S-1 x 2; ', coupons: '0' },
        seen: { captured: '0', sold: '', coupons: '0' },
      },
    });
  });

  it.each([
    ['completed', 'empty'],
    ['compensated', 'acted'],
  ])('is broken by an ending %s whose decision is %s', async (ending, decision) => {
    const decided = [fence(decision, '', 'captureFunds'), 'UPDATE fence SET reserves = 0'];
    expect(await plantEverywhere({ accord: [run(ending)], accounts: decided })).toContainEqual({
      oracle: 'X6',
      database: 'accounts',
      row: { gid: 'order:acme.P-1', ending, decision: [decision] },
    });
  });
});

describe('the audits', () => {
  const entry = (at: Date, outcome: string) => ({
    at,
    tenant: 'acme',
    actor: 'olga',
    operation: 'POST /v1/x',
    gid: null,
    request: { key: 'k', body: { b: 1, a: [true, null] } },
    outcome,
  });

  async function writeAudit(): Promise<void> {
    let previous = chainStart as Buffer;
    for (const outcome of ['202', '200', '409 past_pivot']) {
      const written = entry(new Date('2026-11-20T10:00:00.123Z'), outcome);
      const hash = auditHash(previous, written);
      await admin('accord').change(
        `INSERT INTO audit (at, tenant, actor, operation, gid, request, outcome, prev_hash, hash) VALUES (?)`,
        [
          [
            written.at,
            written.tenant,
            written.actor,
            written.operation,
            written.gid,
            JSON.stringify(written.request),
            outcome,
            previous,
            hash,
          ],
        ],
      );
      previous = hash;
    }
  }

  it('are told to be whole, and where one was changed', async () => {
    await writeAudit();
    expect((await readAudits(verifyUrls())).audit).toEqual({ entries: 3, broken: [] });
    const [second] = await admin('accord').select<{ id: number }>(
      'SELECT id FROM audit ORDER BY id LIMIT 1, 1',
    );
    await admin('accord').change(`UPDATE audit SET actor = 'nobody' WHERE id = ?`, [second?.id]);
    const { audit } = await readAudits(verifyUrls());
    expect(audit.broken).toEqual([{ chain: 'audit', at: String(second?.id) }]);
    const { violations } = await checkInvariants(verifyUrls());
    expect(violations.map(({ oracle }) => oracle)).toEqual(['L: the audit is a whole chain']);
    await admin('accord').change('DELETE FROM audit');
  });

  it('miss entries of a payment that were cut off', async () => {
    await admin('accounts').change(payment);
    await admin('accounts').change(`UPDATE payments SET audit_seq = 1`);
    const { paymentAudit } = await readAudits(verifyUrls());
    expect(paymentAudit.broken).toEqual([{ chain: 'payment_audit', at: 'acme.P#1' }]);
    await admin('accounts').change('DELETE FROM payments');
  });
});

describe('the programs', () => {
  const programOf = (name: string, ...args: readonly string[]) =>
    promisify(execFile)(
      process.execPath,
      ['scripts/bootstrap.mjs', `scripts/${name}.ts`, ...args],
      {
        cwd: checkout,
        env: environmentWith({ VERIFY_DATABASE_URLS: verifyUrls() }),
      },
    );

  it('end with 0 on sound books, and with 1 where something is wrong', async () => {
    const { stdout } = await programOf('verify', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ violations: [] });
    await programOf('audit', 'verify');
    await admin('accounts').change(`UPDATE accounts SET held = held + 1 WHERE id = 'acme.A-1'`);
    await expect(programOf('verify')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('C2: what is held is the sum of the holds'),
    });
    await admin('accounts').change(`UPDATE accounts SET held = held - 1 WHERE id = 'acme.A-1'`);
  }, 60_000);

  it.each([
    ['verify --no-such-option'],
    ['verify --profile nowhere'],
    ['audit verify --no-such-option'],
    ['reconcile --no-such-option'],
    ['installation claim --no-such-option'],
    ['house --no-such-option'],
  ])(
    'end with 2 where they have not asked: %s',
    async (line) => {
      const [name = '', ...words] = line.split(' ');
      await expect(programOf(name, ...words)).rejects.toMatchObject({
        ...{ code: 2, stdout: '' },
        stderr: expect.stringMatching(/^error: /),
      });
    },
    60_000,
  );
});
