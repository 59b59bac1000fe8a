import {
  bytesAsText,
  openSessions,
  rowsOf,
  type Session as Connection,
} from '../runtime/mysql/door';
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
/** A check looks at what it has read for a while between two statements. */
const idleSeconds = 120;

/** There is no connection: the driver's error says why, and not of which participant. */
export class DatabaseNotOpened extends Error {
  override readonly name = 'DatabaseNotOpened';

  constructor(database: Database, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`The database of ${database} cannot be opened: ${reason}`, { cause });
  }
}

/** @param url of a user who may read. */
export function openSession(url: string, { statementMs = 30_000 }: SessionLimits = {}): Session {
  const database = databaseOf(url);
  const connections = openSessions({
    ...{ url, connectMs, connectionLimit: 2, keep: 1 },
    // REPEATABLE READ, or MySQL ignores the snapshot with a warning. Outside of one, each statement has a state of its own.
    session: {
      isolation: 'REPEATABLE-READ',
      lockWaitSeconds: 5,
      idleSeconds,
      selectMs: statementMs,
    },
    supportBigNumbers: true,
    typeCast: bytesAsText,
  });

  async function acquire(): Promise<Connection> {
    try {
      return await connections.acquire();
    } catch (error) {
      // A broken premise says by itself which server it is about.
      const isPremise = error instanceof Error && error.name === 'PremisesBroken';
      throw isPremise ? error : new DatabaseNotOpened(database, error);
    }
  }

  async function use<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await acquire();
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      connection.destroy(); // Whatever is still open in it ends with it, here and on the server.
      throw error;
    }
  }

  const readingOf = (connection: Connection): Reading => ({
    database,
    select: async (sql, values = []) =>
      rowsOf(await connection.query(sql, values, statementMs + answerMs)),
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
    close: () => connections.close(),
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
