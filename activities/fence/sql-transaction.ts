/**
 * SQL transactions that end when their time is over, whatever the driver, the server or the network does. They run on
 * sessions with the settings that the fence was tested with. Limits and traps: docs/guarantees.md.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import {
  affectedBy,
  bytesAsText,
  isAnswer,
  openSessions,
  rowsOf,
  type Session,
  type SessionPool,
} from '../../runtime/mysql/door';
import type { BrokenPremise } from '../../runtime/premises';
import type { SqlTransaction } from './participant';

/** The time of a caller. */
export interface Budget {
  /** Aborted when the caller no longer waits for the answer. */
  readonly signal: AbortSignal;
  /** End of the attempt (`startToClose`), on the clock of `performance.now()`: a wall clock may jump. */
  readonly deadline: number;
  /**
   * With less time left, COMMIT is not sent: its answer could not be reported, and a retry may be under way. Left out:
   * the reserve of the pool.
   */
  readonly commitReserveMs?: number;
}

/**
 * Each limit is below the next one, so the inner limit takes effect first: lock wait 2 s < statement < SQL transaction
 * < `wait_timeout` 6 s < all tries < `startToClose` 10 s. The server enforces the first and the fourth
 * (`sessionLimits`).
 */
export const sqlLimits = {
  statementMs: 3_000,
  /** From the wait for a connection to COMMIT. */
  transactionMs: 4_000,
  /** All tries of one attempt. */
  triesMs: 8_000,
  triesMax: 5,
  /** With less time left, COMMIT is not sent: its answer could not be reported, and a retry may be under way. */
  commitReserveMs: 1_000,
} as const;
export type SqlLimits = { readonly [Name in keyof typeof sqlLimits]: number };

/** A vanished machine loses its locks after `idleSeconds`. MySQL ends a SELECT before we have to kill it. */
const sessionLimits = ({ statementMs }: SqlLimits) =>
  ({
    isolation: 'READ-COMMITTED',
    lockWaitSeconds: 2,
    idleSeconds: 6,
    selectMs: Math.ceil(statementMs * 0.9),
  }) as const;

/** Idle connections that a pool keeps open, so that it needs no handshakes after a quiet moment. */
const keptIdle = 2;

export interface SqlPoolOptions {
  /** mysql://user:password@host:port/database */
  readonly url: string;
  readonly connectionLimit: number;
  /** Tests use smaller limits, because they wait for them. */
  readonly limits?: SqlLimits;
}

/** Connections to one database, as one user. */
export interface SqlPool {
  readonly limits: SqlLimits;
  /** One SELECT outside of a SQL transaction. */
  select<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** One INSERT, UPDATE or DELETE outside of another SQL transaction. @returns its affected rows. */
  change(sql: string, values?: readonly unknown[]): Promise<number>;
  /** Settings of a session that differ from those that the fence was tested with. */
  brokenPremises(): Promise<readonly BrokenPremise[]>;
  /** Opens a connection for one caller, for as long as `budget` and the limits allow. */
  open(budget: Budget): Promise<SqlSession>;
  /** Ends the connections after their callers have ended. Every session must be closed. */
  close(): Promise<void>;
}

/** One connection of one caller. */
export interface SqlSession {
  readonly sql: SqlTransaction;
  /** Settles as `work` does, or rejects when the time of the session is over. Then `work` may continue, ignored. */
  within<Result>(work: Promise<Result>): Promise<Result>;
  run(statement: 'START TRANSACTION' | 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Gives the connection back, or destroys it if its state is unknown. */
  close(state: 'clean' | 'unknown'): void;
}

/** The time of a statement or of a SQL transaction is over. Its outcome is unknown: a retry gets it from the fence. */
export class SqlTimeout extends Error {
  override readonly name = 'SqlTimeout';
}

const deadlock = 1213;
const lockWaitTimeout = 1205;
const selectTimeout = 3024;
/** Errors about data that the SQLSTATE does not show: CHECK violated, wrong value, invalid JSON. */
const contentErrors = new Set([3819, 1366, 3140]);

const isTransient = (error: unknown): boolean =>
  errnoOf(error) === deadlock || errnoOf(error) === lockWaitTimeout;

/** Errors of our own code. Errors of the driver have a code, or are fatal. */
const ownErrors = new Set(['Error', 'RangeError', 'TypeError']);

/** Whether the content causes the error, not the connection: SQLSTATE class 22 (data), 23 (constraint), or our code. */
export function isContentError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!('sqlState' in error)) {
    return ownErrors.has(error.name) && !('code' in error) && !('fatal' in error);
  }
  const errno = errnoOf(error);
  return (errno !== undefined && contentErrors.has(errno)) || /^2[23]/.test(String(error.sqlState));
}

/** Error number of MySQL; `undefined`: the error is not from the server. */
export function errnoOf(error: unknown): number | undefined {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number'
    ? error.errno
    : undefined;
}

/**
 * Runs `body` in one SQL transaction: COMMIT when it returns, ROLLBACK when it throws. After a deadlock (1213) or a
 * lock wait timeout (1205, which undoes one statement only) all of it is rolled back and tried again, so `body` must
 * leave nothing behind outside the database.
 *
 * @param onRetry called with the errno before each further try.
 * @throws the driver's error, the error of `body`, `SqlTimeout`, or the reason of the signal. If COMMIT was sent, the
 *   outcome is unknown. Otherwise nothing was committed.
 */
export async function inSqlTransaction<Result>(
  pool: SqlPool,
  budget: Budget,
  body: (sql: SqlTransaction) => Promise<Result>,
  onRetry: (errno: number) => void = () => undefined,
): Promise<Result> {
  const { triesMs, triesMax } = pool.limits;
  const deadline = Math.min(budget.deadline, performance.now() + triesMs);
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryOnce(pool, { ...budget, deadline }, budget, body);
    } catch (error) {
      if (!isTransient(error) || tries === triesMax || performance.now() >= deadline) throw error;
      onRetry(errnoOf(error) ?? 0);
      await delay(randomInt(5, 51)); // At different times: the transactions of a deadlock would form it again.
    }
  }
}

async function tryOnce<Result>(
  pool: SqlPool,
  tryBudget: Budget,
  { deadline, commitReserveMs = pool.limits.commitReserveMs }: Budget,
  body: (sql: SqlTransaction) => Promise<Result>,
): Promise<Result> {
  const session = await pool.open(tryBudget);
  let state: 'clean' | 'unknown' = 'unknown';
  try {
    await session.run('START TRANSACTION');
    const result = await session.within(body(session.sql));
    if (deadline - performance.now() < commitReserveMs) {
      throw new SqlTimeout('COMMIT was not sent: too little of the attempt is left to report it.');
    }
    await session.run('COMMIT');
    state = 'clean';
    return result;
  } catch (error) {
    // Always sent: `release` would keep the SQL transaction open, and the next START TRANSACTION would commit it.
    await session.run('ROLLBACK').then(
      () => (state = 'clean'),
      () => undefined,
    );
    throw error;
  } finally {
    session.close(state);
  }
}

/** Creates a pool. It opens no connection yet. */
export function createSqlPool({
  url,
  connectionLimit,
  limits = sqlLimits,
}: SqlPoolOptions): SqlPool {
  const sessions = openSessions({
    ...{ url, connectionLimit, keep: keptIdle },
    session: sessionLimits(limits),
    connectMs: sqlLimits.statementMs,
    supportBigNumbers: true, // Without these two a BIGINT above 2^53 is rounded silently.
    bigNumberStrings: true,
    typeCast: bytesAsText, // Ids are VARBINARY, compared byte by byte. As a Buffer no Map lookup would find them.
  });

  const open = async (budget: Budget): Promise<SqlSession> => {
    const watch = watchOver(budget, limits);
    try {
      return openSession(await acquire(sessions, watch), watch, limits);
    } catch (error) {
      watch.end();
      throw error;
    }
  };

  const alone = async <Result>(work: (sql: SqlTransaction) => Promise<Result>): Promise<Result> => {
    const session = await open(unhurried());
    let state: 'clean' | 'unknown' = 'unknown';
    try {
      const result = await work(session.sql);
      state = 'clean';
      return result;
    } catch (error) {
      if (isAnswer(error)) state = 'clean'; // The statement has ended: it is committed, or had no effect.
      throw error;
    } finally {
      session.close(state);
    }
  };

  return {
    limits,
    open,
    select: (sql, values) => alone((own) => own.select(sql, values)),
    change: (sql, values) => alone((own) => own.change(sql, values)),
    brokenPremises: () => sessions.brokenPremises(),
    close: () => sessions.close(),
  };
}

/** A timer and a signal over one use of a connection. */
interface Watch {
  /** Rejects, once, when the time is over. */
  readonly over: Promise<never>;
  /** The cause, if the time is over. */
  cause(): unknown;
  expire(cause: unknown): void;
  /** Called when the time is over. */
  onExpiry(act: () => void): void;
  end(): void;
}

function watchOver({ signal, deadline }: Budget, { transactionMs }: SqlLimits): Watch {
  let cause: unknown;
  let act = (): void => undefined;
  let reject: (why: unknown) => void = () => undefined;
  const over = new Promise<never>((_resolve, rejectOver) => (reject = rejectOver));
  over.catch(() => undefined); // The waiting caller handles it; often there is none.
  const expire = (why: unknown): void => {
    if (cause !== undefined) return;
    cause = why;
    reject(why);
    act();
  };
  const aborted = (): void => expire(signal.reason ?? new SqlTimeout('Aborted.'));
  const leftMs = Math.min(transactionMs, deadline - performance.now());
  const timer = setTimeout(
    () => expire(new SqlTimeout('The SQL transaction took too long.')),
    leftMs,
  );
  signal.addEventListener('abort', aborted, { once: true });
  if (signal.aborted) aborted();
  return {
    over,
    expire,
    cause: () => cause,
    onExpiry: (then) => (act = then),
    end() {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      // An abandoned body must not write into the next SQL transaction.
      cause ??= new Error('The SQL transaction is over.');
    },
  };
}

function acquire(sessions: SessionPool, watch: Watch): Promise<Session> {
  const acquired = sessions.acquire().then((session) => {
    if (watch.cause() !== undefined) session.release(); // Too late: the caller has already got the timeout.
    return session;
  });
  return Promise.race([acquired, watch.over]);
}

function openSession(session: Session, watch: Watch, { statementMs }: SqlLimits): SqlSession {
  watch.onExpiry(() => session.destroy());

  const query = async (sql: string, values: readonly unknown[] = []): Promise<unknown> => {
    if (watch.cause() !== undefined) throw watch.cause();
    const late = (): void =>
      watch.expire(new SqlTimeout(`Took longer than ${statementMs} ms: ${sql}`));
    const timer = setTimeout(late, statementMs);
    try {
      return await Promise.race([session.query(sql, values), watch.over]);
    } catch (error) {
      // MySQL's limit came before our own timer.
      if (errnoOf(error) === selectTimeout)
        throw new SqlTimeout(`MySQL gave it up: ${sql}`, { cause: error });
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    sql: {
      select: async (sql, values) => rowsOf(await query(sql, values)),
      change: async (sql, values) => affectedBy(await query(sql, values)),
    },
    within: (work) => Promise.race([work, watch.over]),
    async run(statement) {
      await query(statement);
    },
    close(state) {
      const isOver = watch.cause() !== undefined;
      watch.end();
      if (isOver) return; // The connection was destroyed before.
      if (state === 'clean') session.release();
      else session.destroy();
    },
  };
}

/** Budget of single statements outside of an attempt: only the limits bound them. */
const unhurried = (): Budget => ({ signal: new AbortController().signal, deadline: Infinity });
