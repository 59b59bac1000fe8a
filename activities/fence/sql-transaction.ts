/**
 * SQL transactions that end when their time is over, whatever the driver, the server or the network does, on sessions
 * that the fence was proved with. Limits and traps: docs/guarantees.md.
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

/** The time that a caller has. */
export interface Budget {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** End of the attempt (`startToClose`), on the clock of `performance.now()`: a wall clock may jump. */
  readonly deadline: number;
}

/**
 * Each limit stays below the next, so that the inner one speaks first: lock wait 2 s < statement < SQL transaction <
 * `wait_timeout` 6 s < all tries < `startToClose` 10 s. The first and the fourth are the server's (`sessionLimits`).
 */
export const sqlLimits = {
  statementMs: 3_000,
  /** From waiting for a connection to COMMIT. */
  transactionMs: 4_000,
  /** All tries of one attempt. */
  triesMs: 8_000,
  triesMax: 5,
  /** With less than this left COMMIT is not sent: its answer could not be reported, and a retry may be under way. */
  commitReserveMs: 1_000,
} as const;
export type SqlLimits = { readonly [Name in keyof typeof sqlLimits]: number };

/** A machine that vanishes loses its locks after `idleSeconds`. MySQL ends a SELECT before we have to kill it. */
const sessionLimits = ({ statementMs }: SqlLimits) =>
  ({
    isolation: 'READ-COMMITTED',
    lockWaitSeconds: 2,
    idleSeconds: 6,
    selectMs: Math.ceil(statementMs * 0.9),
  }) as const;

/** Idle connections of a pool that stay open, so that a quiet moment is not followed by handshakes. */
const keptIdle = 2;

export interface SqlPoolOptions {
  /** mysql://user:password@host:port/database */
  readonly url: string;
  readonly connectionLimit: number;
  /** Smaller ones are for tests that would wait for them. */
  readonly limits?: SqlLimits;
}

/** Connections to one database, as one user. */
export interface SqlPool {
  readonly limits: SqlLimits;
  /** One SELECT of its own. */
  select<Row extends object>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** One INSERT, UPDATE or DELETE of its own: its affected rows. */
  change(sql: string, values?: readonly unknown[]): Promise<number>;
  /** Where a session is not what the fence was proved with. */
  brokenPremises(): Promise<readonly BrokenPremise[]>;
  /** A connection for one caller, for as long as `budget` and the limits allow. */
  open(budget: Budget): Promise<SqlSession>;
  /** Ends the connections once their callers have; every session must have been closed. */
  close(): Promise<void>;
}

/** One connection in the hands of one caller. */
export interface SqlSession {
  readonly sql: SqlTransaction;
  /** Settles as `work` does, or rejects when the session's time is over; `work` may then hang on unheard. */
  within<Result>(work: Promise<Result>): Promise<Result>;
  run(statement: 'START TRANSACTION' | 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Gives the connection back, or destroys it: always when its state is not known. */
  close(state: 'clean' | 'unknown'): void;
}

/** The time for a statement or for a SQL transaction is over. Its outcome is unknown; a retry learns it at the fence. */
export class SqlTimeout extends Error {
  override readonly name = 'SqlTimeout';
}

const deadlock = 1213;
const lockWaitTimeout = 1205;
const selectTimeout = 3024;
/** Data that MySQL refuses although its SQLSTATE does not say so: CHECK violated, wrong value, invalid JSON. */
const contentErrors = new Set([3819, 1366, 3140]);

const isTransient = (error: unknown): boolean =>
  errnoOf(error) === deadlock || errnoOf(error) === lockWaitTimeout;

/** Errors that code throws itself: the driver's bear a code, or are fatal. */
const ownErrors = new Set(['Error', 'RangeError', 'TypeError']);

/** What was sent is at fault, not the way to the server: SQLSTATE class 22 (data), 23 (constraint), or our own code. */
export function isContentError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (!('sqlState' in error)) {
    return ownErrors.has(error.name) && !('code' in error) && !('fatal' in error);
  }
  const errno = errnoOf(error);
  return (errno !== undefined && contentErrors.has(errno)) || /^2[23]/.test(String(error.sqlState));
}

/** MySQL's number of an error; `undefined` where it was not the server that spoke. */
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
 * @param onRetry told of the errno before each further try.
 * @throws the driver's error, what `body` threw, `SqlTimeout`, or the signal's reason. When COMMIT was on its way the
 *   outcome is unknown; otherwise nothing was committed.
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
      await delay(randomInt(5, 51)); // Apart: those that formed the circle would form it again.
    }
  }
}

async function tryOnce<Result>(
  pool: SqlPool,
  tryBudget: Budget,
  { deadline }: Budget,
  body: (sql: SqlTransaction) => Promise<Result>,
): Promise<Result> {
  const session = await pool.open(tryBudget);
  let state: 'clean' | 'unknown' = 'unknown';
  try {
    await session.run('START TRANSACTION');
    const result = await session.within(body(session.sql));
    if (deadline - performance.now() < pool.limits.commitReserveMs) {
      throw new SqlTimeout('COMMIT was not sent: too little of the attempt is left to report it.');
    }
    await session.run('COMMIT');
    state = 'clean';
    return result;
  } catch (error) {
    // Never skipped: `release` would keep the SQL transaction open, and the next START TRANSACTION would commit it.
    await session.run('ROLLBACK').then(
      () => (state = 'clean'),
      () => undefined,
    );
    throw error;
  } finally {
    session.close(state);
  }
}

/** Opens no connection yet. */
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
    typeCast: bytesAsText, // VARBINARY is how ids are compared byte by byte; as a Buffer no Map lookup would ever hit.
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
      if (isAnswer(error)) state = 'clean'; // It is over, and committed by itself or not at all.
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
  /** Why it is over, if it is. */
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
  over.catch(() => undefined); // Heard by whoever waits; often nobody does.
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
      cause ??= new Error('The SQL transaction is over.'); // A body that was given up must not write into the next one.
    },
  };
}

function acquire(sessions: SessionPool, watch: Watch): Promise<Session> {
  const acquired = sessions.acquire().then((session) => {
    if (watch.cause() !== undefined) session.release(); // Too late: the caller has been told.
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
      // MySQL was quicker than our own timer.
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
      if (isOver) return; // Destroyed already.
      if (state === 'clean') session.release();
      else session.destroy();
    },
  };
}

/** For single statements outside an attempt, bounded by the limits alone. */
const unhurried = (): Budget => ({ signal: new AbortController().signal, deadline: Infinity });
