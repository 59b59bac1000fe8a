/** Tables after a long time and an outage: as many rows wait as are done. */
import type { SqlPool } from '../../activities/fence/sql-transaction';
import type { Database } from '../../runtime/databases/shop';
import { fill } from './filling';

export const tenant = 'bench';
/** Whom everybody pays. */
export const hotAccount = 'bench.merchant-EUR';

const longAgo = `TIMESTAMP '2026-01-01 00:00:00' + INTERVAL i SECOND`;
const gid = `CONCAT('order:${tenant}.', LPAD(i, 8, '0'))`;

/** What is filled into one table: rows below `rows` are done, those from there on wait. */
interface Table {
  readonly database: Database;
  readonly into: string;
  readonly select: string;
  readonly with?: string;
}

const tablesOf = (rows: number): readonly Table[] => {
  const isDone = `i < ${rows}`;
  return [
    {
      database: 'inventory',
      into: 'outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch, published_at)',
      select: `CONCAT(${gid}, '/reserveStock/act/1'), ${gid}, 'reserveStock', 'act', 'accord.inventory', 'stock.reserved',
        CONCAT('bench.A-', i DIV 4), 1 + i % 4, '{"lines":[{"sku":"bench.S-1","quantity":2}]}', 1,
        IF(${isDone}, UTC_TIMESTAMP(3) - INTERVAL 1 HOUR, NULL)`,
    },
    {
      // A tenth of the rows that are done have expired.
      database: 'inventory',
      into: 'fence (gid, branch, state, reserves, attempt_token, epoch, created_at, expires_at, amounts)',
      select: `${gid}, 'reserveStock', IF(${isDone}, 'confirmed', 'acted'), 1, UNHEX(REPEAT('00', 16)), 1, at,
        IF(${isDone}, UTC_TIMESTAMP(3) + INTERVAL IF(i % 10 = 0, -1, 10) DAY, NULL), '[]'`,
      with: `${longAgo} AS at`,
    },
    {
      database: 'inventory',
      into: 'reservations (gid, branch, sku, qty, state, updated_at)',
      select: `${gid}, 'reserveStock', CONCAT('bench.S-', i % 100), 1, IF(${isDone}, 'sold', 'frozen'), ${longAgo}`,
    },
    {
      database: 'accounts',
      into: 'ledger_entries (gid, branch, op, account_id, currency, amount, created_at)',
      select: `${gid}, 'captureFunds', 'act', '${hotAccount}', 'EUR', 1, ${longAgo}`,
    },
    {
      database: 'accounts',
      into: 'merchant_movements (gid, branch, op, account_id, tenant, currency, amount, occurred_at, settlement_id, settlement_page)',
      select: `${gid}, 'captureFunds', 'act', '${hotAccount}', '${tenant}', 'EUR', 1, ${longAgo},
        IF(${isDone}, 'bench.EUR-1', NULL), IF(${isDone}, 1, NULL)`,
    },
    {
      database: 'accounts',
      into: 'holds (gid, branch, account_id, currency, amount, state)',
      select: `${gid}, 'holdFunds', CONCAT('bench.C-', i % 1000), 'EUR', 1, IF(${isDone}, 'captured', 'held')`,
    },
    {
      database: 'orders',
      into: 'consumed (consumer, event_id, consumed_at)',
      select: `'bench', CONCAT(${gid}, '/createOrder/act/1'), ${longAgo}`,
    },
    {
      database: 'orders',
      into: 'order_views (order_id, tenant, status, version, as_of)',
      select: `CONCAT('${tenant}.', i), '${tenant}', IF(${isDone}, 'completed', 'created'), 1, ${longAgo}`,
    },
    {
      database: 'orders',
      into: 'dead_letters (consumer, topic, partition_no, offset_no, error, attempts)',
      select: `'bench', 'bench', 0, i, 'Unreadable.', 1`,
    },
    {
      // Those that wait: a half parked, a half running and idle. A hundredth of all keep their key.
      database: 'accord',
      into: `runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, owner, state, step, reason,
        region, epoch, accepted_at, start_sent_at, start_confirmed_at, deadline_at, at_risk, at_risk_currency, at_risk_minor, ending, ended_at)`,
      select: `${gid}, '${tenant}', 'order', i, 'POST /v1/orders', IF(i % 100 = 0, i, NULL), UNHEX(REPEAT('00', 32)), '{}', ${gid},
        IF(${isDone}, 'completed', IF(i % 2 = 0, 'parked', 'running')), IF(${isDone}, NULL, 'confirmStock'), IF(${isDone}, NULL, 'finish_failed'),
        'a', 1, at, at, at, at, '[]', IF(${isDone}, NULL, 'EUR'), IF(${isDone}, NULL, 100), IF(${isDone}, '{}', NULL), IF(${isDone}, at, NULL)`,
      with: `${longAgo} AS at`,
    },
    {
      database: 'accord',
      into: 'audit (at, tenant, actor, operation, gid, request, outcome, prev_hash, hash)',
      select: `${longAgo}, '${tenant}', 'bench', 'POST /v1/orders', ${gid}, '{}', 'ok', UNHEX(REPEAT('00', 32)), UNHEX(REPEAT('00', 32))`,
    },
    {
      // A hundredth of those that wait are open.
      database: 'accord',
      into: 'findings (kind, participant, subject, amounts, detail, state, first_seen, last_seen)',
      select: `'leaked_reservation', 'inventory', ${gid}, '[]', 'Planted.', IF(i >= ${rows} AND i % 100 = 0, 'open', 'gone'), at, at`,
      with: `${longAgo} AS at`,
    },
  ];
};

/** @param rows of each table that are done, and as many that wait: a multiple of ten thousand. */
export async function fillHistory(
  admin: (database: Database) => SqlPool,
  rows: number,
  say: (line: string) => void,
): Promise<void> {
  await admin('accounts').change(
    `INSERT INTO accounts (id, tenant, kind, currency, balance) VALUES ('${hotAccount}', '${tenant}', 'merchant', 'EUR', ${2 * rows})`,
  );
  for (const { database, ...table } of tablesOf(rows)) {
    const name = table.into.slice(0, table.into.indexOf(' '));
    say(`  ${2 * rows} rows of ${database}.${name} …`);
    await fill(admin(database), { ...table, from: 0, to: 2 * rows });
    await admin(database).select(`ANALYZE TABLE ${name}`);
  }
}
