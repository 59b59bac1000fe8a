import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

import { databases, type Database } from '../databases';

/** Statements that one check reads, in the session that it was opened with. */
export interface Reading {
  readonly database: Database;
  /** VARBINARY is text, JSON is parsed, a BIGINT beyond 2^53 stays digits. */
  select<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** One state of the database for all statements, whatever is written meanwhile. */
export async function openSnapshot(url: string): Promise<Reading> {
  const connection = await open(url);
  await connection.query('SET SESSION transaction_isolation = ?', ['REPEATABLE-READ']);
  await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  return readingOf(url, connection);
}

/** Each statement sees what is committed when it begins: for checks that hang on the order of their reads. */
export async function openLatest(url: string): Promise<Reading> {
  const connection = await open(url);
  await connection.query('SET SESSION transaction_isolation = ?', ['READ-COMMITTED']);
  return readingOf(url, connection);
}

async function open(uri: string): Promise<Connection> {
  const connection = await createConnection({
    uri,
    timezone: 'Z',
    supportBigNumbers: true,
    typeCast: (field, next) => (field.type === 'VAR_STRING' ? field.string('utf8') : next()),
  });
  await connection.query(`SET SESSION time_zone = '+00:00'`);
  return connection;
}

const readingOf = (url: string, connection: Connection): Reading => ({
  database: databaseOf(url),
  async select<Row extends object>(sql: string, values: readonly unknown[] = []) {
    const [rows] = await connection.query<RowDataPacket[]>(sql, [...values]);
    return rows as unknown as readonly Row[]; // The caller names the columns of its own SELECT.
  },
  close: () => connection.end(),
});

/** Databases bear a prefix. */
export function databaseOf(url: string): Database {
  const name = new URL(url).pathname;
  const database = databases.find((known) => name.endsWith(known));
  if (!database) throw new Error(`None of our databases: ${name}.`);
  return database;
}
