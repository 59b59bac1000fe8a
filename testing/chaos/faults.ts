/** The menu of faults: what is done to the system from outside, and how it is seen that it was really done. */
import type { Connection, RowDataPacket } from 'mysql2/promise';

import { errnoOf } from '../../activities/fence/sql-transaction';
import type { Role } from '../environment/application';
import { databases, type Database } from '../../runtime/databases/shop';
import { withRedis } from '../../runtime/redis';
import { signal } from '../stack/process';
import {
  readStack,
  restartServer,
  serverProcess,
  type Profile,
  type ServerName,
} from '../stack/stack';
import { pause } from '../../runtime/waiting';
import type { IsolatedEnvironment } from '../environment/isolated-environment';
import type { Proxy } from '../../runtime/tcp-proxy/proxy';
import type { Random } from './random';
import type { Supervisor } from './supervisor';
import { openConnection } from '../../runtime/mysql/door';

/** What a fault may reach. */
export interface Reach {
  readonly profile: Profile;
  readonly isolated: IsolatedEnvironment;
  readonly supervisor: Supervisor;
  readonly proxies: {
    readonly mysql: Proxy;
    readonly redis: Proxy;
    readonly kafka: Proxy;
    readonly temporal: Proxy;
    /** Between one of the workers and Temporal. */
    readonly lastWorker: Proxy;
  };
}

export interface Fault {
  /** How long it lasts, in a run that has time; what has no length is over at once. */
  readonly ms: number;
  /** Whether it kills something. */
  readonly isKill: boolean;
  /** Does it and heals it. @returns whether it was seen to have happened: a fault that hit nothing proves nothing. */
  readonly strike: (reach: Reach, ms: number, random: Random) => Promise<boolean>;
}

const killed = (role: Role): Fault => ({
  ms: 500,
  isKill: true,
  async strike({ supervisor }, _ms, random) {
    const [victim = ''] = random.shuffled(supervisor.namesOf(role));
    const before = supervisor.process(victim);
    supervisor.tell(victim, 'SIGKILL');
    await pause(500);
    return before !== undefined && supervisor.process(victim)?.pid !== before.pid;
  },
});

const paused = (role: Role, ms: number): Fault => ({
  ms,
  isKill: false,
  async strike({ supervisor }, forMs, random) {
    const [victim = ''] = random.shuffled(supervisor.namesOf(role));
    const wasThere = supervisor.tell(victim, 'SIGSTOP');
    await pause(forMs);
    supervisor.tell(victim, 'SIGCONT');
    return wasThere;
  },
});

const serverKilled = (name: ServerName): Fault => ({
  ms: 2_000,
  isKill: true,
  async strike({ profile }, ms) {
    const victim = serverProcess(profile, name);
    if (victim) signal(victim, 'SIGKILL');
    await pause(ms);
    await restartServer(profile, name, { report: () => undefined });
    return victim !== undefined && serverProcess(profile, name)?.pid !== victim.pid;
  },
});

const serverPaused = (name: ServerName, ms: number): Fault => ({
  ms,
  isKill: false,
  async strike({ profile }, forMs) {
    const victim = serverProcess(profile, name);
    if (victim) signal(victim, 'SIGSTOP');
    await pause(forMs);
    if (victim) signal(victim, 'SIGCONT');
    return victim !== undefined;
  },
});

/** Commits that are cut at one time: as many as a burst of lost connections would hit. */
const cuts = 6;
const cutWithinMs = 5_000;
const openWithinMs = 30_000;

type Line = keyof Reach['proxies'];

/** @param what a request of the line's protocol. */
const requestsCut = (line: Line, what: string, when: 'cutAfter' | 'cutBefore'): Fault => ({
  ms: 1_000,
  isKill: false,
  async strike({ proxies }, ms) {
    const proxy = proxies[line];
    const count = (): number =>
      when === 'cutAfter' ? proxy.counters().cutsAfter : proxy.counters().cutsBefore;
    const before = count();
    proxy[when](what, cuts);
    const deadline = Date.now() + Math.max(ms, cutWithinMs);
    while (count() < before + cuts && Date.now() < deadline) await pause(50);
    proxy[when](what, 0);
    return count() > before;
  },
});

const slow = (line: Line, latencyMs: number, ms: number): Fault => ({
  ms,
  isKill: false,
  async strike({ proxies }, forMs) {
    const proxy = proxies[line];
    proxy.latency(latencyMs);
    await pause(forMs);
    proxy.latency(0);
    return proxy.counters().open > 0;
  },
});

/**
 * Who starts again after the fault before has no connection yet, and none could be cut off. @returns how many there
 * are.
 */
async function untilOpen(proxy: Proxy): Promise<number> {
  const deadline = Date.now() + openWithinMs;
  while (proxy.counters().open === 0 && Date.now() < deadline) await pause(100);
  return proxy.counters().open;
}

const blackholed = (line: Line, ms: number): Fault => ({
  ms,
  isKill: false,
  async strike({ proxies }, forMs) {
    const proxy = proxies[line];
    const open = await untilOpen(proxy);
    proxy.pass('blackhole');
    await pause(forMs);
    proxy.pass('open');
    return open > 0;
  },
});

const connectionsReset = (line: Line): Fault => ({
  ms: 0,
  isKill: false,
  async strike({ proxies }) {
    const proxy = proxies[line];
    const open = await untilOpen(proxy);
    proxy.reset();
    await pause(200);
    return open > 0;
  },
});

/** Another session locks rows that all transactions need: callers wait, and pools fill behind them. */
const rowsLocked = (database: Database, statement: string, ms: number): Fault => ({
  ms,
  isKill: false,
  async strike({ isolated }, forMs) {
    const session = await openConnection({ url: isolated.adminUrl(database) });
    session.on('error', () => undefined); // The server may die while we hold it.
    try {
      await session.query('START TRANSACTION');
      const locked = await rowsOf(session, statement);
      await pause(forMs);
      return locked > 0;
    } finally {
      session.destroy(); // Ends the transaction, too.
    }
  },
});

async function rowsOf(session: Connection, statement: string): Promise<number> {
  const [rows] = await session.query(statement);
  return Array.isArray(rows) ? rows.length : 0;
}

/**
 * Rows locked crosswise. MySQL ends the transaction that has changed less; ours must be the one, so the other has
 * written a lot, into a table of its own.
 */
const ballast = Array.from({ length: 200 }, (_, n) => [n]);

/** MySQL's ER_LOCK_DEADLOCK. */
const deadlockError = 1213;
/**
 * SQL transactions of others on this server that must become victims of a deadlock with ours. While there are fewer,
 * the fault goes on, at most for `victimsWithinMs`. One victim is enough: the fault has struck.
 */
const victimsWanted = 3;
const victimsWithinMs = 30_000;

const deadlocks: Fault = {
  ms: 3_000,
  isKill: false,
  async strike({ isolated }, ms) {
    const counting = await openConnection({ url: isolated.adminUrl('accounts') });
    counting.on('error', () => undefined);
    try {
      const began = Date.now();
      const before = await deadlocksOf(counting);
      let own = 0;
      let victims = 0;
      while (
        Date.now() < began + ms ||
        (victims < victimsWanted && Date.now() < began + victimsWithinMs)
      ) {
        own += (await lockCrosswise(isolated)) === 'victim' ? 1 : 0;
        victims = (await deadlocksOf(counting)) - before - own;
        await pause(40);
      }
      return victims > 0;
    } finally {
      counting.destroy();
    }
  },
};

/** Against the order in which we lock: the business row first, then fence rows. */
async function lockCrosswise(isolated: IsolatedEnvironment): Promise<'passed' | 'victim'> {
  const session = await openConnection({ url: isolated.adminUrl('accounts') });
  session.on('error', () => undefined);
  try {
    await session.query('CREATE TABLE IF NOT EXISTS chaos_ballast (n INT NOT NULL) ENGINE=InnoDB');
    await session.query('SET SESSION innodb_lock_wait_timeout = 2');
    await session.query('START TRANSACTION');
    await session.query('INSERT INTO chaos_ballast VALUES ?', [ballast]);
    await session.query(`SELECT id FROM accounts WHERE id = 'acme.merchant-EUR' FOR UPDATE`);
    await pause(60);
    await session.query(
      `SELECT gid FROM fence WHERE state = 'acted' ORDER BY created_at DESC LIMIT 40 FOR UPDATE`,
    );
    return 'passed';
  } catch (error) {
    return errnoOf(error) === deadlockError ? 'victim' : 'passed';
  } finally {
    session.destroy();
  }
}

/** Deadlocks of this server since it was started. */
async function deadlocksOf(session: Connection): Promise<number> {
  const [rows] = await session.query<(RowDataPacket & { readonly count: number })[]>(
    `SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'`,
  );
  return Number(rows[0]?.count);
}

/** Redis comes back with nothing: leases, counters and allowances are gone. */
const redisEmptied: Fault = {
  ms: 500,
  isKill: false,
  async strike({ profile }, ms) {
    const stack = await readStack(profile);
    if (!stack) return false;
    return withRedis(stack.redis.url, { connectMs: 5_000 }, async (redis) => {
      const before = await redis.dbsize();
      await redis.flushdb();
      await pause(ms);
      return before > 0;
    });
  },
};

/**
 * A promotion, as far as the databases see it: the hub advances the epoch, then each participant is moved into it. What
 * is under way carries the old one for a moment.
 */
const promotion: Fault = {
  ms: 300,
  isKill: false,
  async strike({ isolated }, ms) {
    const hub = await moveEpoch(isolated, 'accord', 'cluster_state');
    await pause(ms);
    const participants = databases.filter((name) => name !== 'accord');
    const moved = await Promise.all(
      participants.map((name) => moveEpoch(isolated, name, 'region_epoch')),
    );
    return moved.every((epoch) => epoch === hub);
  },
};

/** @returns the new epoch. Locked before it is dated: who writes in the old one must be over by then. */
async function moveEpoch(
  isolated: IsolatedEnvironment,
  database: Database,
  table: string,
): Promise<number> {
  const session = await openConnection({ url: isolated.adminUrl(database) });
  try {
    await session.query('START TRANSACTION');
    await session.query(`SELECT epoch FROM ${table} FOR UPDATE`);
    await session.query(`UPDATE ${table} SET epoch = epoch + 1, changed_at = UTC_TIMESTAMP(3)`);
    const [rows] = await session.query<(RowDataPacket & { readonly epoch: number })[]>(
      `SELECT epoch FROM ${table}`,
    );
    await session.query('COMMIT');
    return Number(rows[0]?.epoch);
  } finally {
    session.destroy();
  }
}

/** Gentle: each worker in turn is told to finish. A deploy. */
const rolling: Fault = {
  ms: 0,
  isKill: false,
  strike: async ({ supervisor }) => (await supervisor.roll(supervisor.namesOf('worker'))) > 0,
};

const allWorkers: Fault = {
  ms: 500,
  isKill: true,
  async strike({ supervisor }) {
    const workers = supervisor.namesOf('worker');
    const told = workers.filter((name) => supervisor.tell(name, 'SIGKILL'));
    await pause(500);
    return told.length > 0;
  },
};

/** The faults by name, as the report counts them. */
export const faultMenu = {
  'kill-worker': killed('worker'),
  'kill-all-workers': allWorkers,
  'kill-api': killed('api'),
  'kill-relay': killed('relay'),
  'kill-consumer': killed('consumer'),
  'kill-mysql': serverKilled('mysql'),
  'kill-redis': serverKilled('redis'),
  'kill-kafka': serverKilled('kafka'),
  'kill-temporal': serverKilled('temporal'),
  'pause-worker': paused('worker', 12_000), // Longer than a call's ten seconds.
  'pause-api': paused('api', 3_000),
  'pause-relay': paused('relay', 6_000),
  'pause-mysql': serverPaused('mysql', 4_000),
  'pause-temporal': serverPaused('temporal', 4_000),
  'cut-after-commit': requestsCut('mysql', 'COMMIT', 'cutAfter'),
  'cut-before-commit': requestsCut('mysql', 'COMMIT', 'cutBefore'),
  'cut-after-produce': requestsCut('kafka', 'Produce', 'cutAfter'),
  'cut-after-lock': requestsCut('redis', '*', 'cutAfter'),
  'mysql-slow': slow('mysql', 60, 4_000),
  'mysql-blackhole': blackholed('mysql', 4_000),
  'mysql-reset': connectionsReset('mysql'),
  'kafka-blackhole': blackholed('kafka', 4_000),
  'redis-blackhole': blackholed('redis', 4_000),
  'temporal-reset': connectionsReset('temporal'),
  'worker-cut-off': blackholed('lastWorker', 5_000),
  'temporal-blackhole': blackholed('temporal', 4_000),
  'lock-waits': rowsLocked(
    'accounts',
    `SELECT id FROM accounts WHERE id IN ('acme.merchant-EUR', 'acme.clearing-EUR') FOR UPDATE`,
    4_000,
  ),
  'full-pool': rowsLocked('inventory', 'SELECT * FROM region_epoch FOR UPDATE', 3_000),
  deadlocks,
  'redis-emptied': redisEmptied,
  promotion,
  'rolling-restart': rolling,
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faultMenu;
export const faultNames = Object.keys(faultMenu) as FaultName[]; // The keys of the constant above.
