/**
 * The only module that opens connections to MySQL. So every session has the settings of docs/guarantees.md before its
 * first statement, values never depend on the server's `sql_mode`, and abandoned statements end on the server, too.
 */
import { Socket } from 'node:net';

import {
  createConnection,
  createPool,
  type Connection,
  type ConnectionOptions,
  type Pool,
  type PoolConnection,
  type ResultSetHeader,
  type SslOptions,
  type TypeCast,
} from 'mysql2';
import type { Connection as PromiseConnection } from 'mysql2/promise';

import { PremisesBroken, type BrokenPremise } from '../premises';
import { formatStatement } from './literals';
import { brokenPremises, brokenProduct, type Ask } from './server-premises';
import { administration, sessionStatement, type SessionLimits } from './session';

/** Format of rows, which differs between callers. */
type Reading = Pick<ConnectionOptions, 'supportBigNumbers' | 'bigNumberStrings' | 'typeCast'>;

interface DoorOptions extends Reading {
  /** mysql://user:password@host:port/database. Only its parameter `ssl` counts. */
  readonly url: string;
  /** Time for the connection and its session, together. */
  readonly connectMs: number;
}

interface ConnectionDoor extends Partial<DoorOptions> {
  readonly url: string;
  readonly session?: SessionLimits;
  /** Several statements in one text: for migrations. */
  readonly multipleStatements?: boolean;
}

interface PoolDoor extends DoorOptions {
  readonly connectionLimit: number;
  readonly session: SessionLimits;
  /** Idle connections that stay open; others are closed after some seconds. */
  readonly keep: number;
}

/** One connection of a pool, in use by one caller. */
export interface Session {
  /** @throws the driver's error, also without an answer within `withinMs`: then the statement may still run. */
  query(sql: string, values?: readonly unknown[], withinMs?: number): Promise<unknown>;
  /** Gives it back to the pool. No statement may run in it, and no SQL transaction may be open. */
  release(): void;
  /** Ends it here and on the server, with its statement. */
  destroy(): void;
}

export interface SessionPool {
  /** @throws the driver's error; PremisesBroken if Accord must not use the server. */
  acquire(): Promise<Session>;
  brokenPremises(): Promise<readonly BrokenPremise[]>;
  /** Waits for callers for a limited time. */
  close(): Promise<void>;
}

/** VARBINARY, which ids are, arrives as text; BINARY and BLOB stay a Buffer. */
export const bytesAsText: TypeCast = (field, next) =>
  field.type === 'VAR_STRING' ? field.string('utf8') : next();

/** Rows of a SELECT on a session. The caller knows the selected columns. */
export const rowsOf = (answer: unknown): readonly never[] => answer as readonly never[];
export const affectedBy = (answer: unknown): number => (answer as ResultSetHeader).affectedRows;

/** Errors of a server that takes no writes: the next connection may reach another server, which does. */
const movedAway = new Set([1290, 1792, 1836]);

/**
 * Whether MySQL has answered a statement with an error. Then the statement is over, and the connection can be used
 * again. Otherwise the state of the connection is unknown, and it must be destroyed.
 */
export const isAnswer = (error: unknown): error is Error & { readonly errno: number } =>
  error instanceof Error &&
  'sqlState' in error &&
  'errno' in error &&
  !movedAway.has(Number(error.errno)) &&
  !('fatal' in error && error.fatal === true);

/** A server stopped answering before the session was set. Whether it would have taken writes is unknown. */
export class SessionNotSet extends Error {
  override readonly name = 'SessionNotSet';
}

const defaultConnectMs = 10_000;
const closeMs = 3_000;
/** Interval between checks of idle connections. It is well below any `idleSeconds`. */
const idleLookMs = 1_000;
const pingMs = 1_000;

/** One connection with its session, for one caller. Its owner closes it. */
export async function openConnection({
  url,
  connectMs = defaultConnectMs,
  session = administration,
  ...reading
}: ConnectionDoor): Promise<PromiseConnection> {
  const connection = createConnection({ ...optionsOf(url, connectMs), ...reading });
  connection.on('error', () => undefined); // The statement under way, or the next one, rejects with it.
  try {
    await connected(connection);
    await setSession(connection, session, connectMs);
  } catch (error) {
    end(connection);
    throw error;
  }
  return withoutReset(connection).promise();
}

/** Forbids both resets of a connection: they would restore the server's own settings. */
function withoutReset(connection: Connection): Connection {
  const refuse = (): never => {
    throw new Error(
      'A session of Accord is not reset: open another connection, or USE a database.',
    );
  };
  return Object.assign(connection, { changeUser: refuse, reset: refuse });
}

/** Broken premises of the server of a connection. */
export const brokenPremisesOf = (
  connection: PromiseConnection,
  limits: SessionLimits = administration,
): Promise<readonly BrokenPremise[]> =>
  brokenPremises(async (sql) => rowsOf((await connection.query(sql))[0]), limits);

/** Ends a connection here and on the server. The server would otherwise continue a statement without its client. */
export async function killConnection(connection: PromiseConnection, url: string): Promise<void> {
  const { threadId } = connection;
  connection.destroy();
  const killer = await openConnection({ url, connectMs: closeMs });
  try {
    await killer.query('KILL ?', [threadId]);
  } finally {
    killer.destroy();
  }
}

/** Opens no connection yet. */
export function openSessions(options: PoolDoor): SessionPool {
  const sessions = poolOf(options);
  // A separate pool: KILL must get through while every connection of the first pool waits for the killed one.
  const killers = poolOf({ ...options, connectionLimit: 2, keep: 0 });
  const kills = new Set<Promise<unknown>>();

  async function kill(threadId: number): Promise<void> {
    const killer = await killers.acquire();
    try {
      await query(killer, 'KILL ?', [threadId]);
    } finally {
      killer.release();
    }
  }
  const sessionOf = (connection: PoolConnection): Session => ({
    query: (sql, values, withinMs) => query(connection, sql, values, withinMs),
    release: () => connection.release(),
    destroy() {
      const killed = kill(connection.threadId)
        .catch(() => undefined) // It was gone already, or the server is out of reach and `wait_timeout` ends it.
        .finally(() => kills.delete(killed));
      kills.add(killed);
      end(connection);
    },
  });
  return {
    acquire: async () => sessionOf(await sessions.acquire()),
    async brokenPremises() {
      let connection: PoolConnection | undefined;
      try {
        connection = await sessions.acquire();
        const broken = await brokenPremises(askOn(connection), options.session);
        connection.release();
        return broken;
      } catch (error) {
        if (connection) end(connection);
        if (error instanceof PremisesBroken) return error.broken;
        throw error;
      }
    },
    async close() {
      const closing = Promise.all(kills).then(() =>
        Promise.all([sessions.close(), killers.close()]),
      );
      // On a dead network the process could never end. No caller waits for these answers.
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeMs)));
      await Promise.race([closing, late]).finally(() => clearTimeout(timer));
    },
  };
}

/** A pool of the driver. It sets the session of each connection, and checks idle ones. */
function poolOf({ url, connectMs, connectionLimit, session, keep, ...reading }: PoolDoor) {
  const pool = createPool({
    ...optionsOf(url, connectMs),
    ...reading,
    connectionLimit,
    maxIdle: connectionLimit, // The driver would close every idle connection, also the ones to keep.
  });
  pool.on('connection', (connection: PoolConnection) => {
    // It may report several errors; without a listener an error would end the process.
    connection.on('error', () => undefined);
  });
  const set = new WeakMap<PoolConnection, Promise<void>>();
  const idle = lookAfterIdle(pool, keep, (session.idleSeconds * 1_000) / 2);

  async function acquire(): Promise<PoolConnection> {
    const connection = await taken(pool);
    const setting = set.get(connection) ?? setSession(connection, session, connectMs);
    set.set(connection, setting);
    try {
      await setting;
      return connection;
    } catch (error) {
      end(connection);
      throw error;
    }
  }
  return {
    acquire,
    async close() {
      idle.stop();
      await new Promise<void>((resolve, reject) =>
        pool.end((error) => (error ? reject(error) : resolve())),
      );
    },
  };
}

/**
 * MySQL ends an idle session soon, so that a vanished machine holds no locks. Pings keep some connections open, so that
 * they need not be opened again after a quiet moment. The others are closed before MySQL closes them.
 */
function lookAfterIdle(pool: Pool, keep: number, idleMs: number): { stop(): void } {
  const idleSince = new Map<PoolConnection, number>();
  pool.on('release', (connection) => idleSince.set(connection, performance.now()));
  pool.on('acquire', (connection) => idleSince.delete(connection));

  function look(): void {
    const now = performance.now();
    for (const [connection, since] of idleSince) {
      if (now - since < idleMs) continue;
      idleSince.delete(connection);
      // The pool reuses the connection that was used last, so idle ones are surplus.
      if (idleSince.size >= keep) connection.destroy();
      else ping(connection, () => idleSince.set(connection, performance.now()));
    }
  }
  const timer = setInterval(look, idleLookMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

function ping(connection: PoolConnection, answered: () => void): void {
  const timer = setTimeout(() => end(connection), pingMs);
  connection.ping((error) => {
    clearTimeout(timer);
    if (error) connection.destroy();
    else answered();
  });
}

/** @throws PremisesBroken if the server is no MySQL with these settings; otherwise the driver's error. */
async function setSession(
  connection: Connection | PoolConnection,
  limits: SessionLimits,
  withinMs: number,
): Promise<void> {
  try {
    await query(connection, sessionStatement(limits), [], withinMs);
  } catch (error) {
    if (!isAnswer(error))
      throw new SessionNotSet('MySQL did not set a session up.', { cause: error });
    const broken = await brokenProduct(askOn(connection));
    throw broken.length > 0 ? new PremisesBroken(broken) : error;
  }
}

const askOn =
  (connection: Connection | PoolConnection): Ask =>
  async (sql) =>
    rowsOf(await query(connection, sql, [], pingMs));

function query(
  on: Connection | PoolConnection,
  sql: string,
  values: readonly unknown[] = [],
  timeout?: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    on.query(
      { sql, values: [...values], ...(timeout !== undefined && { timeout }) },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
  });
}

const connected = (connection: Connection): Promise<void> =>
  new Promise((resolve, reject) =>
    connection.connect((error) => (error ? reject(error) : resolve())),
  );

const taken = (pool: Pool): Promise<PoolConnection> =>
  new Promise((resolve, reject) =>
    pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection))),
  );

/** Closes the socket, too: after `destroy` alone the statement continues, and its promise may never settle. */
function end(connection: Connection | PoolConnection): void {
  connection.destroy();
  if ('stream' in connection && connection.stream instanceof Socket) connection.stream.destroy();
}

function optionsOf(url: string, connectMs: number): ConnectionOptions {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const ssl = searchParams.get('ssl');
  return {
    host: hostname.replace(/^\[|\]$/g, ''), // IPv6
    ...(port !== '' && { port: Number(port) }),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    ...(pathname.length > 1 && { database: decodeURIComponent(pathname.slice(1)) }),
    ...(ssl !== null && { ssl: profileOf(ssl) }),
    connectTimeout: connectMs,
    charset: 'utf8mb4_0900_ai_ci',
    timezone: 'Z',
    flags: ['-LOCAL_FILES'], // A server must not ask for files of ours.
    queryFormat: (sql: string, values: readonly unknown[]) => formatStatement(sql, values),
  };
}

/** The name of a profile, or its fields as JSON. */
function profileOf(ssl: string): string | SslOptions {
  try {
    return JSON.parse(ssl) as SslOptions; // The driver judges them.
  } catch {
    return ssl;
  }
}
