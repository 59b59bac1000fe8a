import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';

import { databaseOf, type Database, type Reading } from './reading';

/** One connection to one database, opened when it is first used, and again after it was lost. */
export interface Session {
  readonly database: Database;
  /** One state of the database for all statements of `work`, whatever is written meanwhile. */
  snapshot<Result>(work: (reading: Reading) => Promise<Result>): Promise<Result>;
  /** Each statement sees what is committed when it begins: for checks that hang on the order of their reads. */
  latest<Result>(work: (reading: Reading) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

export interface SessionLimits {
  /** MySQL gives a statement up after it, and we the connection a little later. Left out: half a minute. */
  readonly statementMs?: number;
}

const connectMs = 5_000;
const answerMs = 1_000; // For MySQL to say that it gave up; a server that hangs says nothing.

/** @param url of a user who may read. */
export function openSession(url: string, { statementMs = 30_000 }: SessionLimits = {}): Session {
  const database = databaseOf(url);
  let opened: Promise<Connection> | undefined;

  async function use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const opening = (opened ??= open(url, statementMs));
    try {
      return await work(await opening);
    } catch (error) {
      opened = undefined; // Whatever is still open in it ends with it.
      void opening.then(
        (connection) => connection.destroy(),
        () => undefined,
      );
      throw error;
    }
  }

  const readingOf = (connection: Connection): Reading => ({
    database,
    async select<Row extends object>(sql: string, values: readonly unknown[] = []) {
      const [rows] = await connection.query<RowDataPacket[]>({
        sql,
        values: [...values],
        timeout: statementMs + answerMs,
      });
      return rows as unknown as readonly Row[]; // The caller names the columns of its own SELECT.
    },
  });

  return {
    database,
    snapshot: (work) =>
      use(async (connection) => {
        await connection.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
        const result = await work(readingOf(connection));
        await connection.query('COMMIT');
        return result;
      }),
    latest: (work) => use((connection) => work(readingOf(connection))),
    async close() {
      const connection = await opened?.catch(() => undefined);
      opened = undefined;
      await connection?.end();
    },
  };
}

/** A reading of each, as `latest` gives it. */
export function withReadings<Result>(
  sessions: readonly Session[],
  work: (readings: ReadonlyMap<Database, Reading>) => Promise<Result>,
  opened: ReadonlyMap<Database, Reading> = new Map(),
): Promise<Result> {
  const [first, ...others] = sessions;
  if (!first) return work(opened);
  return first.latest((reading) =>
    withReadings(others, work, new Map([...opened, [first.database, reading]])),
  );
}

async function open(uri: string, statementMs: number): Promise<Connection> {
  const connection = await createConnection({
    uri,
    connectTimeout: connectMs,
    timezone: 'Z',
    supportBigNumbers: true,
    typeCast: (field, next) => (field.type === 'VAR_STRING' ? field.string('utf8') : next()),
  });
  connection.on('error', () => undefined); // A connection that is cut while it is idle: the next use says so.
  // REPEATABLE READ, or MySQL ignores the snapshot with a warning. Outside of one, each statement has a state of its own.
  await connection.query(
    `SET SESSION time_zone = '+00:00', transaction_isolation = 'REPEATABLE-READ', max_execution_time = ${statementMs}`,
  );
  return connection;
}
