import {
  affectedBy,
  isAnswer,
  rowsOf,
  type Session,
  type SessionPool,
} from '../../runtime/mysql/door';
import type { BrokenPremise } from '../../runtime/premises';
import { withinDeadline } from '../http/deadline';
import { dependencyUnavailable, Problem } from '../http/errors';

type SqlScalar = string | number | boolean | Date | Buffer | null;
/** A value of a placeholder; a list fills `IN (?)`, a list of lists `VALUES ?` and `(a, b) IN (?)`. */
export type SqlValue = SqlScalar | readonly string[] | readonly (readonly SqlScalar[])[];

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
  /** What its server breaks. @throws Problem `dependency_unavailable` where it does not answer. */
  brokenPremises(): Promise<readonly BrokenPremise[]>;
}

/** Connect and first statement, together; waiting for a free connection counts. */
const connectMs = 1_000;
/** All of one read or single change: what a caller waits for the database, at most. */
const useMs = 1_800; // Leaves the rest of two seconds for the answer itself.
/** A SQL transaction behind its first statement: InnoDB ends a lock wait of one second up to a second late. */
const transactionMs = 2_400;
/** Time limit for the answer to a ROLLBACK: no caller waits for it longer. */
const rollbackMs = 500;

/** A start that meets an uncommitted claim of its key waits for a second; then it is told to come again. */
export const databaseLimits = {
  connectMs,
  session: {
    isolation: 'REPEATABLE-READ',
    lockWaitSeconds: 1,
    idleSeconds: 6, // A machine that vanished holds no lock for longer.
    selectMs: useMs - 200, // MySQL ends it by itself, before we have to.
  },
} as const;

/**
 * @returns the database behind a pool. Whatever goes wrong with the connection is Problem `dependency_unavailable`;
 *   errors of SQL itself pass, and are told apart with `isSqlError`.
 */
export function createDatabase(pool: SessionPool): Database {
  async function use<Result>(work: (session: Session) => Promise<Result>, withinMs = useMs) {
    const session = await connect(pool);
    try {
      const result = await withinDeadline(withinMs, () => work(session), unavailable);
      session.release();
      return result;
    } catch (error) {
      // A connection in which something may still run, or a SQL transaction be open, never goes back into the pool.
      if (isAnswer(error) || error instanceof RolledBack) session.release();
      else session.destroy();
      throw asProblem(error instanceof RolledBack ? error.cause : error);
    }
  }
  return {
    select: (sql, values) => use((session) => statementsOf(session).select(sql, values)),
    change: (sql, values) => use((session) => statementsOf(session).change(sql, values)),
    session: (work) => use((session) => work(statementsOf(session))),
    transaction: (work) =>
      use(async (session) => {
        await withinDeadline(connectMs, () => session.query('START TRANSACTION'), unavailable);
        const result = await work(statementsOf(session)).catch(async (cause: unknown) => {
          await withinDeadline(rollbackMs, () => session.query('ROLLBACK'), unavailable);
          throw new RolledBack(cause);
        });
        await commit(session);
        return result;
      }, transactionMs),
    brokenPremises: () => withinDeadline(useMs, () => pool.brokenPremises(), unavailable),
  };
}

/** A SQL transaction failed and is over; its connection is as it was before. */
class RolledBack extends Error {
  constructor(override readonly cause: unknown) {
    super('Rolled back.');
  }
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

async function connect(pool: SessionPool): Promise<Session> {
  const pending = pool.acquire();
  try {
    return await withinDeadline(connectMs, () => pending, unavailable);
  } catch (error) {
    // The connection may still arrive after we gave up on it: then we return it to the pool.
    void pending.then(
      (session) => session.release(),
      () => undefined,
    );
    throw error instanceof Problem ? error : unavailable(error);
  }
}

const statementsOf = (session: Session): Statements => ({
  select: async (sql, values = []) => rowsOf(await session.query(sql, values)),
  change: async (sql, values = []) => affectedBy(await session.query(sql, values)),
});

async function commit(session: Session): Promise<void> {
  try {
    await withinDeadline(connectMs, () => session.query('COMMIT'), unavailable);
  } catch (cause) {
    throw new Problem('outcome_unknown', { dependency: 'mysql', retryAfterSeconds: 1, cause });
  }
}

/**
 * The caller judges an answer of the server. A lost connection, or a statement that the server gave up, becomes
 * `dependency_unavailable`.
 */
function asProblem(error: unknown): unknown {
  if (error instanceof Problem) return error;
  if (isAnswer(error)) return gaveUp.has(error.errno) ? unavailable(error) : error;
  return isDriverError(error) ? unavailable(error) : error;
}

/** MySQL ended the statement because it took too long, was killed, or the server stops. */
const gaveUp = new Set([3024, 1317, 1053]);

const isDriverError = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error;

const unavailable = (cause?: unknown): Problem => dependencyUnavailable('mysql', cause);
