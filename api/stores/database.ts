import type { Pool, PoolConnection, ResultSetHeader, RowDataPacket } from 'mysql2/promise';

import { dependencyUnavailable, Problem } from '../errors';
import { withinDeadline } from '../deadline';

/** A value of a placeholder; an array fills `IN (?)`. */
export type SqlValue = string | number | boolean | Date | Buffer | null | readonly string[];

export interface Statements {
  /** Rows of a SELECT: VARBINARY as string, BLOB and BINARY as Buffer, JSON parsed, DATETIME as Date. */
  select<Row extends object>(sql: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Affected rows of an INSERT or UPDATE. */
  change(sql: string, values?: readonly SqlValue[]): Promise<number>;
}

/** One MySQL database, every use of it bounded in time. */
export interface Database extends Statements {
  /** Runs `work` on one connection, each statement committed by itself. */
  session<Result>(work: (sql: Statements) => Promise<Result>): Promise<Result>;
  /**
   * Runs `work` in one SQL transaction; an error rolls it back.
   * @throws Problem `outcome_unknown` when COMMIT was sent and not answered.
   */
  transaction<Result>(work: (sql: Statements) => Promise<Result>): Promise<Result>;
}

/** Connect and first statement, together; waiting for a free connection counts. */
const connectMs = 1_000;
/** All of one read or single change: what a caller waits for the database, at most. */
const useMs = 1_800; // Leaves the rest of two seconds for the answer itself.
/** A SQL transaction behind its first statement: InnoDB ends a lock wait of one second up to a second late. */
const transactionMs = 2_400;

/**
 * @returns the database behind a pool. Whatever goes wrong with the connection is Problem `dependency_unavailable`;
 *   errors of SQL itself pass, and are told apart with `isSqlError`.
 */
export function createDatabase(pool: Pool): Database {
  async function use<Result>(
    work: (connection: PoolConnection) => Promise<Result>,
    withinMs = useMs,
  ) {
    const connection = await connect(pool);
    try {
      const result = await withinDeadline(withinMs, () => work(connection), unavailable);
      connection.release();
      return result;
    } catch (error) {
      // Never back into the pool: a statement may still be running in it, or a SQL transaction be open.
      connection.destroy();
      throw asProblem(error);
    }
  }
  return {
    select: (sql, values) => use((connection) => statementsOf(connection).select(sql, values)),
    change: (sql, values) => use((connection) => statementsOf(connection).change(sql, values)),
    session: (work) => use((connection) => work(statementsOf(connection))),
    transaction: (work) =>
      use(async (connection) => {
        await withinDeadline(connectMs, () => connection.query('START TRANSACTION'), unavailable);
        const result = await work(statementsOf(connection));
        await commit(connection);
        return result;
      }, transactionMs),
  };
}

const sqlErrors = {
  duplicate: 1062,
  lockWait: 1205,
  deadlock: 1213,
} as const;

export const isSqlError = (error: unknown, kind: keyof typeof sqlErrors): boolean =>
  typeof error === 'object' &&
  error !== null &&
  'errno' in error &&
  error.errno === sqlErrors[kind];

/** Runs again what MySQL rolled back to end a deadlock: nothing of it has happened. */
export async function withoutDeadlock<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let triesLeft = 4; ; triesLeft -= 1) {
    try {
      return await work();
    } catch (error) {
      if (!isSqlError(error, 'deadlock')) throw error;
      if (triesLeft === 0) throw unavailable(error);
    }
  }
}

async function connect(pool: Pool): Promise<PoolConnection> {
  const pending = pool.getConnection();
  try {
    return await withinDeadline(connectMs, () => pending, unavailable);
  } catch (error) {
    // It may still come after we gave up on it: then it belongs to nobody else.
    void pending.then(
      (connection) => connection.release(),
      () => undefined,
    );
    throw unavailable(error);
  }
}

function statementsOf(connection: PoolConnection): Statements {
  return {
    async select<Row extends object>(sql: string, values: readonly SqlValue[] = []) {
      const [rows] = await connection.query<RowDataPacket[]>(sql, [...values]);
      return rows as unknown as readonly Row[]; // The caller names the columns of its own SELECT.
    },
    async change(sql, values = []) {
      const [result] = await connection.query<ResultSetHeader>(sql, [...values]);
      return result.affectedRows;
    },
  };
}

async function commit(connection: PoolConnection): Promise<void> {
  try {
    await withinDeadline(connectMs, () => connection.query('COMMIT'), unavailable);
  } catch (cause) {
    throw new Problem('outcome_unknown', { dependency: 'mysql', retryAfterSeconds: 1, cause });
  }
}

/** An answer of the server is the caller's to judge; a lost connection is nobody's. */
function asProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const isFromServer =
    typeof error === 'object' &&
    error !== null &&
    'sqlState' in error &&
    !('fatal' in error && error.fatal);
  return isFromServer || !isDriverError(error) ? error : unavailable(error);
}

const isDriverError = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error;

const unavailable = (cause?: unknown): Problem => dependencyUnavailable('mysql', cause);
