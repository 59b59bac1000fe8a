import { setTimeout as delay } from 'node:timers/promises';

import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import type { Redis } from 'ioredis';

import { openRedis } from '../runtime/redis';
import type { FencedDatabases } from '../activities/fence/databases';
import type { SqlPool } from '../activities/fence/sql-transaction';
import { createSqlPool } from '../activities/fence/sql-transaction';
import type { TransactionWorkerConfig } from './config';
import { backoffMs } from '../runtime/backoff';
import type { Logger } from '../runtime/logger';
import {
  clusterPremise,
  createInstallation,
  ownedDatabase,
  type Installation,
} from '../runtime/installation';
import type { PremiseSource } from '../runtime/premises';
import { createServerClock } from '../runtime/server-clock';
import { guardRedis, redisRegistration, type RedisCommands } from '../runtime/redis-premises';
import { temporalClock, temporalPremises } from '../runtime/temporal-premises';

/** Local and remote activities that run at once; each may use one connection of one database. */
export const localActivitiesMax = 20;
export const remoteActivitiesMax = 20;

/**
 * How far a worker's clock, or Temporal's, may be from MySQL's: the times of an explanation and of its row stand side
 * by side.
 */
export const workerClockMs = 10_000;

const premisesOf = (databases: FencedDatabases): readonly PremiseSource[] =>
  Object.entries(databases).map(([name, pool]) => ({
    server: `mysql ${name}`,
    ask: () => pool.brokenPremises(),
  }));

const installationOf = (
  { accord, ...participants }: FencedDatabases,
  urls: TransactionWorkerConfig['databases'],
): Installation =>
  createInstallation(
    ownedDatabase(urls.accord, accord, 'accord'),
    Object.entries(participants).map(([name, pool]) => ownedDatabase(urls[name] ?? '', pool, name)),
  );

/** The clients of a transaction worker, open; each is closed by `close`. */
export interface TransactionDependencies {
  readonly connection: NativeConnection;
  readonly redis: Redis;
  /** Commands of Redis. They are refused while Redis does not hold its premises. */
  readonly redisCommands: RedisCommands;
  readonly databases: FencedDatabases;
  readonly client: Client;
  /** Premises of every server. */
  readonly premises: readonly PremiseSource[];
  close(): Promise<void>;
}

/** Opens everything. MySQL and Redis connect when they are asked; Temporal is waited for. */
export async function openTransactionDependencies(
  { temporal, databases: urls, redisUrl, cluster }: TransactionWorkerConfig,
  logger: Logger,
): Promise<TransactionDependencies> {
  const open = (url: string): SqlPool =>
    createSqlPool({ url, connectionLimit: localActivitiesMax + remoteActivitiesMax });
  const { accord: accordUrl, ...participants } = urls;
  const databases: FencedDatabases = {
    ...Object.fromEntries(Object.entries(participants).map(([name, url]) => [name, open(url)])),
    accord: open(accordUrl),
  };
  const redis = openRedis(redisUrl);
  const guarded = guardRedis(redis);
  const connection = await connectTemporal(temporal, logger);
  const client = new Client({ connection, namespace: temporal.namespace });
  const installation = installationOf(databases, urls);
  const accord = ownedDatabase(urls.accord, databases.accord);
  const clock = createServerClock(accord, workerClockMs);
  return {
    ...{ connection, client, redis, databases },
    redisCommands: guarded.commands,
    premises: [
      ...premisesOf(databases),
      installation.databases,
      clusterPremise(accord, cluster),
      clock.premises,
      temporalPremises(client, installation),
      temporalClock(client, installation, clock, workerClockMs),
      guarded.premises,
      redisRegistration(redis, installation),
    ],
    async close() {
      await connection.close();
      redis.disconnect();
      await Promise.all(Object.values(databases).map((pool) => pool.close()));
    },
  };
}

const temporalPauseMs = { first: 100, max: 5_000 } as const;

/** Tries until Temporal answers: a worker may be started before its server. */
export async function connectTemporal(
  { address, apiKey }: TransactionWorkerConfig['temporal'],
  logger: Logger,
): Promise<NativeConnection> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await NativeConnection.connect({
        address,
        grpcCompression: { codec: 'none' }, // Compressing costs more CPU than the bytes cost time.
        ...(apiKey !== undefined && { apiKey, tls: true }),
      });
    } catch (error) {
      const retryInMs = backoffMs(failures, temporalPauseMs);
      logger.warn({ err: error, retryInMs }, `Temporal at ${address} does not answer yet.`);
      await delay(retryInMs);
    }
  }
}
