/**
 * The oracles: statements that return what is wrong with a database, so an empty result is green (docs/guarantees.md).
 * Sound at any moment, each database in a snapshot of its own.
 */
import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

import { databases, type Database } from './databases';

interface Oracle {
  readonly name: string;
  readonly databases: readonly Database[];
  readonly sql: string;
}

/** What an oracle found wrong. */
export interface Violation {
  readonly oracle: string;
  readonly database: Database;
  readonly row: object;
}

export interface Books {
  /** Oracles asked, each once a database: a check that asked none proves nothing. */
  readonly asked: number;
  readonly violations: readonly Violation[];
}

/** `accord` is no participant: `decide` has no event of its own, `transaction.*` no fence row. */
const fenced: readonly Database[] = ['inventory', 'accounts', 'orders', 'coupons'];

const oracles: readonly Oracle[] = [
  {
    name: 'A: money is conserved',
    databases: ['accounts'],
    sql: `SELECT currency, SUM(balance + held) AS s FROM accounts GROUP BY currency HAVING s <> 0`,
  },
  {
    name: 'B: every effect has both legs',
    databases: ['accounts'],
    sql: `SELECT gid, branch, op, currency, SUM(amount) AS d FROM ledger_entries
            GROUP BY gid, branch, op, currency HAVING d <> 0`,
  },
  {
    name: 'C: a balance is the sum of its entries',
    databases: ['accounts'],
    sql: `SELECT a.id FROM accounts a
            LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM ledger_entries GROUP BY account_id) e
              ON e.account_id = a.id
            WHERE a.balance + a.held <> COALESCE(e.s, 0)`,
  },
  {
    name: 'C2: what is held is the sum of the holds',
    databases: ['accounts'],
    sql: `SELECT a.id FROM accounts a
            LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM holds WHERE state = 'held' GROUP BY account_id) h
              ON h.account_id = a.id
            WHERE a.held <> COALESCE(h.s, 0)`,
  },
  {
    name: 'D: stock is what its reservations say',
    databases: ['inventory'],
    sql: `SELECT s.sku FROM stock s
            LEFT JOIN (SELECT sku, SUM(IF(state = 'frozen', qty, 0)) AS f, SUM(IF(state = 'sold', qty, 0)) AS d
                         FROM reservations GROUP BY sku) r
              ON r.sku = s.sku
            WHERE s.available + s.frozen + s.sold <> s.total OR LEAST(s.available, s.frozen, s.sold) < 0
               OR s.frozen <> COALESCE(r.f, 0) OR s.sold <> COALESCE(r.d, 0)`,
  },
  {
    name: 'F: fence and events agree',
    databases: fenced,
    sql: `SELECT f.gid, f.branch, f.state, GROUP_CONCAT(DISTINCT o.op ORDER BY o.op) AS ops
            FROM fence f LEFT JOIN outbox o ON o.gid = f.gid AND o.branch = f.branch
            WHERE f.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY
            GROUP BY f.gid, f.branch, f.state
            HAVING COALESCE(ops, '') <> CASE f.state WHEN 'acted' THEN 'act' WHEN 'confirmed' THEN 'act,confirm'
              WHEN 'undone' THEN 'act,undo' ELSE '' END`,
  },
  {
    name: 'F2: no event without its effect',
    databases: fenced,
    sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
            WHERE f.gid IS NULL AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
  },
  {
    name: 'G: no effect is booked twice',
    databases: ['accounts'],
    sql: `SELECT gid, branch, op, account_id, COUNT(*) AS n FROM ledger_entries
            GROUP BY gid, branch, op, account_id HAVING n > 1`,
  },
  {
    name: 'E: event streams have no gaps',
    databases: ['orders'],
    sql: `SELECT aggregate_id FROM events GROUP BY aggregate_id HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(*)`,
  },
];

/** @param verifyUrls addresses of a user who may read, separated by commas: VERIFY_DATABASE_URLS. */
export async function checkBooks(verifyUrls: string): Promise<Books> {
  const found = await Promise.all(verifyUrls.split(',').map(askAll));
  return {
    asked: found.reduce((sum, { asked }) => sum + asked, 0),
    violations: found.flatMap(({ violations }) => violations),
  };
}

async function askAll(url: string): Promise<Books> {
  const database = databaseOf(url);
  const own = oracles.filter((oracle) => oracle.databases.includes(database));
  const connection = await createConnection({ uri: url, timezone: 'Z' });
  try {
    await connection.query('SET SESSION transaction_isolation = ?', ['REPEATABLE-READ']);
    await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
    const violations: Violation[] = [];
    for (const oracle of own) violations.push(...(await ask(connection, oracle, database)));
    await connection.query('COMMIT');
    return { asked: own.length, violations };
  } finally {
    await connection.end();
  }
}

async function ask(
  connection: Connection,
  { name, sql }: Oracle,
  database: Database,
): Promise<readonly Violation[]> {
  const [rows] = await connection.query<RowDataPacket[]>(sql);
  return rows.map((row) => ({ oracle: name, database, row: readable(row) }));
}

/** VARBINARY arrives as bytes; whoever reads a violation wants the id. */
const readable = (row: RowDataPacket): object =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]: [string, unknown]) => [
      column,
      Buffer.isBuffer(value) ? value.toString('utf8') : value,
    ]),
  );

/** Databases bear a prefix. */
function databaseOf(url: string): Database {
  const name = new URL(url).pathname;
  const database = databases.find((known) => name.endsWith(known));
  if (!database) throw new Error(`None of our databases: ${name}.`);
  return database;
}
