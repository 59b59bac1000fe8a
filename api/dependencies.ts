import { Client, Connection } from '@temporalio/client';
import type { Redis } from 'ioredis';

import type { Checks } from '../invariants/checks';
import { openRunner } from '../invariants/runner';
import {
  clusterPremise,
  createInstallation,
  ownedDatabase,
  reservedName,
  type OwnedDatabase,
} from '../runtime/installation';
import { createServerClock, timeOf, type Now } from '../runtime/server-clock';
import { openRedis } from '../runtime/redis';
import { guardRedis, redisRegistration } from '../runtime/redis-premises';
import { temporalPremises } from '../runtime/temporal-premises';
import { runsChannel } from '../contracts/engine/runs';
import { taskQueueOf } from '../contracts/engine/task-queues';
import { bytesAsText, openSessions, type SessionPool } from '../runtime/mysql/door';
import type { PremiseSource } from '../runtime/premises';
import type { Config } from './config';
import { createInvariants } from './invariants';
import type { OpenDatabase } from './parts';
import { createApprovalsStore } from './stores/approvals-store';
import { createSteeringCallsStore } from './stores/steering-calls-store';
import { createAuditStore } from './stores/audit-store';
import { clustersOf, createClusterStore } from './stores/cluster-store';
import { createDatabase, databaseLimits, type Database } from './stores/database';
import { createHeartbeatStore } from './stores/heartbeat-store';
import { createKeysStore } from './stores/keys-store';
import { createRunsStore } from './stores/runs-store';
import { createWatchStore } from './stores/watch-store';
import { createTemporal } from './transactions/temporal';
import type { WakeUps } from './transactions/waiting';

/** Idle connections of each database that stay open: a start after a quiet moment does not wait for handshakes. */
const keptIdle = 4;
/** One statement of a check. */
const checkMs = 2_000;
/** What is allowed for of a clock that is wrong; beyond it a machine is broken in other ways as well. */
const clockBoundMs = 120_000;
const reconnectMaxMs = 1_000;

/**
 * Opens the clients of the API. Nothing needs to be there yet: each connects when it is first used, and again whenever
 * it was cut.
 *
 * @param onError is told what a client could not tell a caller, such as a lost subscription.
 * @param openStores opens what the application reads of its own databases.
 */
export function openDependencies<Stores>(
  config: Config,
  {
    onError,
    openStores,
    checks,
    queueOf = taskQueueOf,
    localNow,
  }: {
    readonly onError: (error: unknown) => void;
    readonly openStores: (open: OpenDatabase) => Stores;
    /** Checks of the application, beside those that every application has. */
    readonly checks: Checks;
    readonly queueOf?: typeof taskQueueOf;
    readonly localNow?: Now | undefined;
  },
) {
  const pools: SessionPool[] = [];
  const servers: PremiseSource[] = [];
  const owned: OwnedDatabase[] = [];
  const open = (name: string, url: string): Database => {
    const pool = openPool(url, config.databaseConnections);
    pools.push(pool);
    const database = createDatabase(pool);
    servers.push({ server: `mysql ${name}`, ask: () => database.brokenPremises() });
    return database;
  };
  const redis = openRedis(config.redisUrl, onError);
  const guarded = guardRedis(redis);
  const subscriber = openRedis(config.redisUrl, onError);
  const connection = openTemporal(config.temporal);
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const books = openRunner(config.booksUrls, { checks, statementMs: checkMs });
  const accord = open('accord', config.accordUrl);
  const home = ownedDatabase(config.accordUrl, accord, 'accord');
  const stores = openStores((name, url) => {
    const database = open(name, url);
    owned.push(ownedDatabase(url, database, name));
    return database;
  });
  const installation = createInstallation(home, [...owned, ...books.databases]);
  const namespace = temporalPremises(client, installation);
  const clock = createServerClock(home, clockBoundMs, localNow);
  return {
    namespace,
    /** The time that this API stamps and judges by: that of MySQL. */
    clock,
    /** Premises of every server. */
    premises: [
      ...servers,
      installation.databases,
      clusterPremise(home, config.cluster),
      reservedName(home, config.cluster),
      clock.premises,
      namespace,
      guarded.premises,
      redisRegistration(redis, installation),
    ],
    runs: createRunsStore(accord, config.cluster),
    keys: createKeysStore(accord),
    approvals: createApprovalsStore(accord),
    steeringCalls: createSteeringCallsStore(accord),
    audit: createAuditStore(accord),
    cluster: createClusterStore(accord, config.cluster),
    watch: createWatchStore(accord, config.cluster),
    heartbeat: createHeartbeatStore(accord),
    /** Stores of the application. */
    stores,
    invariants: createInvariants(books, clock.now),
    temporal: createTemporal(client, queueOf),
    redis,
    /** Commands of Redis. They are refused while Redis does not hold its premises. */
    redisCommands: guarded.commands,
    brokenRedis: () => guarded.broken(),
    wakeUps: subscribe(subscriber, onError),
    async close(): Promise<void> {
      redis.disconnect();
      subscriber.disconnect();
      await Promise.all([...pools.map((pool) => pool.close()), books.close(), connection.close()]);
    },
  };
}
export type Dependencies<Stores = unknown> = ReturnType<typeof openDependencies<Stores>>;

/**
 * Stores for a person who makes keys on the command line: the keys, their audit, and the names of clusters, which no
 * tenant may have.
 */
export function openKeys(accordUrl: string) {
  const pool = openPool(accordUrl, 1);
  const database = createDatabase(pool);
  return {
    keys: createKeysStore(database),
    audit: createAuditStore(database),
    clusters: () => clustersOf(database),
    /** The time of the clock that keys are judged by: that of MySQL. */
    now: async () => new Date(await timeOf(database)),
    close: () => pool.close(),
  };
}

const openPool = (url: string, connectionLimit: number): SessionPool =>
  openSessions({
    ...{ url, connectionLimit, keep: Math.min(keptIdle, connectionLimit) },
    ...databaseLimits,
    supportBigNumbers: true,
    bigNumberStrings: false,
    typeCast: bytesAsText,
  });

/** Subscribes again after every reconnection. */
function subscribe(subscriber: Redis, onError: (error: unknown) => void): WakeUps {
  subscriber.on('ready', () => void subscriber.subscribe(runsChannel).catch(onError));
  return {
    listen: (listener) =>
      void subscriber.on('message', (_, gids: string) => listener(gids.split('\n'))),
  };
}

/** Connects at its first call, and within a second after every outage: the default back-off takes ten. */
function openTemporal({ address, apiKey }: Config['temporal']): Connection {
  return Connection.lazy({
    address,
    ...(apiKey !== undefined && { apiKey, tls: true }),
    connectTimeout: 1_000,
    interceptors: [], // No retries in here: the starter repeats starts, callers repeat the rest.
    channelArgs: {
      'grpc.enable_http_proxy': 0, // As the workers, whose client knows no proxy: https_proxy is for other calls.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': reconnectMaxMs,
    },
  });
}
