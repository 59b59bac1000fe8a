/** Books of many ended transactions, half orders and half payments, as the application would have left them. */
import type { Connection } from 'mysql2/promise';

import { topicOf, transactionsTopic } from '../../contracts/engine/events';
import type { Database } from '../../runtime/databases/shop';
import { openConnection } from '../../runtime/mysql/door';

/** Who buys: few enough that each has bought often. */
const payers = 10_000;
const skus = 100;
const rowsAtOnce = 10_000;
/** Between two transactions: about 28 a second. */
const pauseMs = 36;
/** The last ones are filled last of all, so that a look at what is new finds them new. */
const newest = 3_300;

const hash = `UNHEX(REPEAT('00', 32))`;
const token = 'UNHEX(REPEAT("00", 16))';
/** An even `i` is an order, an odd `i` a payment. */
const isOrder = 'i % 2 = 0';
const isPayment = 'i % 2 = 1';
const gid = `CONCAT(IF(${isOrder}, 'order:bench.T-', 'payment:bench.T-'), i)`;
const id = `CONCAT('bench.T-', i)`;
const payer = `CONCAT('bench.C-', i % ${payers})`;
const sku = `CONCAT('bench.S-', i % ${skus})`;
const merchant = `'bench.merchant-EUR'`;

interface Effect {
  readonly branch: string;
  readonly state: 'acted' | 'confirmed';
  readonly where: string;
}
const effects: Readonly<Record<Exclude<Database, 'accord' | 'coupons'>, readonly Effect[]>> = {
  inventory: [{ branch: 'reserveStock', state: 'confirmed', where: isOrder }],
  orders: [{ branch: 'createOrder', state: 'confirmed', where: isOrder }],
  accounts: [
    { branch: 'holdFunds', state: 'confirmed', where: isOrder },
    { branch: 'captureFunds', state: 'acted', where: isOrder },
    { branch: 'openPayment', state: 'acted', where: isPayment },
    { branch: 'assessRisk', state: 'acted', where: isPayment },
    { branch: 'authorise', state: 'confirmed', where: isPayment },
    { branch: 'transferFunds', state: 'acted', where: isPayment },
    { branch: 'completePayment', state: 'acted', where: isPayment },
  ],
};

type Rows = (select: string) => string;

/**
 * @param adminUrl of each database, empty but for its migrations.
 * @param transactions in all.
 */
export async function fillBooks(
  adminUrl: (database: Database) => string,
  transactions: number,
  say: (line: string) => void,
): Promise<void> {
  const names = ['inventory', 'accounts', 'orders', 'accord'] as const;
  const opened = await Promise.all(names.map((name) => openAdmin(adminUrl(name))));
  const of = new Map(names.map((name, at) => [name, opened[at]]));
  const run = async (database: (typeof names)[number], statements: readonly string[]) => {
    for (const statement of statements) await of.get(database)?.query(statement);
  };
  try {
    await run('inventory', [
      `INSERT INTO stock (sku, tenant, total, available) ${numbers(0, skus, 'UTC_TIMESTAMP(3)')(`${sku}, 'bench', 10000000, 10000000`)}`,
    ]);
    await run('accounts', [
      `INSERT INTO accounts (id, tenant, kind, currency) VALUES (${merchant}, 'bench', 'merchant', 'EUR'), ('bench.external-EUR', 'bench', 'external', 'EUR')`,
      `INSERT INTO accounts (id, tenant, kind, currency) ${numbers(0, payers, 'UTC_TIMESTAMP(3)')(`${payer}, 'bench', 'customer', 'EUR'`)}`,
      ...[
        [payer, 100_000],
        [`'bench.external-EUR'`, -100_000],
      ].map(
        ([account, amount]) =>
          `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount)
             ${numbers(0, payers, 'UTC_TIMESTAMP(3)')(`CONCAT('opening:bench.', i), 'open', 'act', ${account}, 'EUR', ${amount}`)}`,
      ),
    ]);
    const began = `TIMESTAMP '${new Date().toISOString().slice(0, 23).replace('T', ' ')}'`;
    const old = Math.max(0, transactions - newest);
    const parts = [...chunks(0, old), ...chunks(old, transactions)];
    for (const [from, to] of parts) {
      const now = from < old ? began : 'UTC_TIMESTAMP(3)';
      const rows = numbers(
        from,
        to,
        `${now} - INTERVAL (${transactions} - i) * ${pauseMs * 1_000} MICROSECOND`,
      );
      await Promise.all([
        run('inventory', inventoryRows(rows)),
        run('accounts', accountsRows(rows)),
        run('orders', ordersRows(rows)),
        run('accord', accordRows(rows)),
      ]);
      say(`  ${to} of ${transactions} transactions …`);
    }
    await run('inventory', [
      `UPDATE stock s JOIN (SELECT sku, SUM(qty) AS sold FROM reservations GROUP BY sku) r ON r.sku = s.sku
         SET s.available = s.total - r.sold, s.sold = r.sold`,
    ]);
    await run('accounts', [
      `UPDATE accounts a JOIN (SELECT account_id, SUM(amount) AS s FROM ledger_entries GROUP BY account_id) e
         ON e.account_id = a.id SET a.balance = e.s, a.updated_at = UTC_TIMESTAMP(3) - INTERVAL 1 HOUR`,
    ]);
    await analyze(of);
  } finally {
    await Promise.all(opened.map((connection) => connection.end()));
  }
}

async function openAdmin(uri: string): Promise<Connection> {
  const connection = await openConnection({ url: uri });
  await connection.query(
    `SET SESSION time_zone = '+00:00', cte_max_recursion_depth = 10000000, sql_mode = ''`,
  );
  return connection;
}

function chunks(from: number, to: number): readonly (readonly [number, number])[] {
  const parts: [number, number][] = [];
  for (let at = from; at < to; at += rowsAtOnce) parts.push([at, Math.min(to, at + rowsAtOnce)]);
  return parts;
}

/** @returns SELECT of these columns for each `i`, with its time as `t`. */
const numbers =
  (from: number, to: number, time: string): Rows =>
  (select) =>
    `WITH RECURSIVE n AS (SELECT ${from} AS i UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to}),
       timed AS (SELECT i, ${time} AS t FROM n) SELECT ${select} FROM timed`;

function fenceRows(rows: Rows, own: readonly Effect[], topic: string): readonly string[] {
  return own.flatMap(({ branch, state, where }) => {
    const ops = state === 'confirmed' ? ['act', 'confirm'] : ['act'];
    return [
      `INSERT INTO fence (gid, branch, state, reserves, attempt_token, epoch, created_at, updated_at)
         ${rows(`${gid}, '${branch}', '${state}', ${state === 'confirmed' ? 1 : 0}, ${token}, 1, t, t`)} WHERE ${where}`,
      ...ops.map((op, at) =>
        outboxRows(rows, {
          branch,
          op,
          topic,
          sequence: at + 1,
          where,
          aggregate: topic === topicOf('orders') ? id : `CONCAT(${gid}, '/${branch}')`,
        }),
      ),
    ];
  });
}

function outboxRows(
  rows: Rows,
  {
    branch,
    op,
    topic,
    sequence,
    where,
    aggregate,
  }: {
    readonly branch: string;
    readonly op: string;
    readonly topic: string;
    readonly sequence: number;
    readonly where: string;
    readonly aggregate: string;
  },
): string {
  return `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch, created_at, published_at)
    ${rows(`CONCAT(${gid}, '/${branch}/${op}/${sequence}'), ${gid}, '${branch}', '${op}', '${topic}', 'bench', ${aggregate}, ${sequence}, '{}', 1, t, t`)}
    WHERE ${where}`;
}

const inventoryRows = (rows: Rows): readonly string[] => [
  ...fenceRows(rows, effects.inventory, topicOf('inventory')),
  `INSERT INTO reservations (gid, branch, sku, qty, state, updated_at)
     ${rows(`${gid}, 'reserveStock', ${sku}, 1, 'sold', t`)} WHERE ${isOrder}`,
];

const pivotOf = `IF(${isOrder}, 'captureFunds', 'transferFunds')`;
const accountsRows = (rows: Rows): readonly string[] => [
  ...fenceRows(rows, effects.accounts, topicOf('accounts')),
  `INSERT INTO holds (gid, branch, account_id, payee_id, currency, amount, state, created_at, updated_at)
     ${rows(`${gid}, IF(${isOrder}, 'holdFunds', 'authorise'), ${payer}, ${merchant}, 'EUR', 100, 'captured', t, t`)}`,
  ...[
    [payer, -100],
    [merchant, 100],
  ].map(
    ([account, amount]) =>
      `INSERT INTO ledger_entries (gid, branch, op, account_id, currency, amount, created_at)
         ${rows(`${gid}, ${pivotOf}, 'act', ${account}, 'EUR', ${amount}, t`)}`,
  ),
  `INSERT INTO merchant_movements (gid, branch, op, account_id, tenant, currency, amount, occurred_at)
     ${rows(`${gid}, ${pivotOf}, 'act', ${merchant}, 'bench', 'EUR', 100, t`)}`,
  `INSERT INTO payments (payment_id, tenant, payer_id, payee_id, currency, amount, requested_by, gid, branch, hold_branch, created_at, updated_at)
     ${rows(`${id}, 'bench', ${payer}, ${merchant}, 'EUR', 100, 'bench', ${gid}, 'openPayment', 'authorise', t, t`)} WHERE ${isPayment}`,
  `UPDATE payments SET status = 'authorised', updated_at = updated_at WHERE status = 'pending'`,
  `UPDATE payments SET status = 'completed', captured = amount, updated_at = updated_at WHERE status = 'authorised'`,
];

const ordersRows = (rows: Rows): readonly string[] => [
  ...fenceRows(rows, effects.orders, topicOf('orders')),
  `INSERT INTO orders (order_id, customer_id, gid, branch, status, currency, amount_minor, version, created_at, updated_at)
     ${rows(`${id}, ${payer}, ${gid}, 'createOrder', 'completed', 'EUR', 100, 2, t, t`)} WHERE ${isOrder}`,
  `INSERT INTO order_lines (order_id, line_no, sku, qty, unit_price_minor, currency)
     ${rows(`${id}, 1, ${sku}, 1, 100, 'EUR'`)} WHERE ${isOrder}`,
  ...[1, 2].map(
    (version) =>
      `INSERT INTO events (aggregate_id, version, type, gid, branch, data, created_at)
         ${rows(`${id}, ${version}, 'bench', ${gid}, 'createOrder', '{}', t`)} WHERE ${isOrder}`,
  ),
  ...['act/1', 'confirm/2'].map(
    (event) =>
      `INSERT INTO consumed (consumer, event_id, consumed_at)
         ${rows(`'accord-order-view', CONCAT(${gid}, '/createOrder/${event}'), t`)} WHERE ${isOrder}`,
  ),
  `INSERT INTO order_views (order_id, tenant, status, version, as_of)
     ${rows(`${id}, 'bench', 'completed', 2, t`)} WHERE ${isOrder}`,
];

const accordRows = (rows: Rows): readonly string[] => [
  `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, owner, state, pivot_passed, region, epoch,
                     accepted_at, start_sent_at, start_confirmed_at, deadline_at, at_risk, ending, ended_at)
     ${rows(`${gid}, 'bench', IF(${isOrder}, 'order', 'payment'), CONCAT('T-', i), 'bench', ${hash}, '{}', ${gid}, 'completed', 1, 'a', 1,
       t, t, t, t + INTERVAL 2 MINUTE, '[]', '{}', t + INTERVAL 500000 MICROSECOND`)}`,
  ...['accepted', 'started', 'completed'].map((op, at) =>
    outboxRows(rows, {
      branch: 'row',
      op,
      topic: transactionsTopic,
      sequence: at + 1,
      where: 'TRUE',
      aggregate: gid,
    }),
  ),
];

/** The optimizer would guess the rest. */
async function analyze(of: ReadonlyMap<string, Connection | undefined>): Promise<void> {
  for (const connection of of.values()) {
    const [tables] = (await connection?.query(
      `SELECT GROUP_CONCAT(CONCAT('\`', table_name, '\`')) AS names FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'`,
    )) as unknown as [readonly { readonly names: string }[]]; // The columns of this SELECT.
    await connection?.query(`ANALYZE TABLE ${tables[0]?.names ?? ''}`);
  }
}
