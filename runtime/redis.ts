/** The door to Redis: every client of it is opened here. */
import { Redis } from 'ioredis';

import { backoffMs } from './backoff';

/** Maximum wait for an answer. Isolation is useful, but not needed. */
const commandMs = 200;
const connectMs = 2_000;
const reconnectPauseMs = { first: 50, max: 1_000 } as const;

/**
 * A client for as long as a process runs. It fails fast: one try for each command, nothing queued while Redis is away,
 * reconnecting in the background for ever.
 *
 * @param onError hears each outage of the connection; every command reports it to its caller as well.
 */
export function openRedis(url: string, onError: (error: unknown) => void = () => undefined): Redis {
  const redis = new Redis(url, {
    commandTimeout: commandMs,
    connectTimeout: connectMs,
    enableOfflineQueue: false, // A queued command must not take a lock after its caller has given up.
    autoResendUnfulfilledCommands: false, // The same, for a command that was under way when the connection broke.
    maxRetriesPerRequest: 0,
    retryStrategy: (failures) => backoffMs(failures, reconnectPauseMs),
  });
  redis.on('error', onError); // Without a listener ioredis prints it.
  return redis;
}

/**
 * A client for one piece of work: one try to connect, closed behind it.
 *
 * @param limits in milliseconds; without `commandMs` a command takes as long as it takes.
 * @throws the error of the connection, where that is why a command failed; else that of `work`.
 */
export async function withRedis<Result>(
  url: string,
  limits: { readonly connectMs: number; readonly commandMs?: number },
  work: (redis: Redis) => Promise<Result>,
): Promise<Result> {
  const redis = new Redis(url, {
    connectTimeout: limits.connectMs,
    ...(limits.commandMs !== undefined && { commandTimeout: limits.commandMs }),
    maxRetriesPerRequest: 0,
    retryStrategy: () => null, // Whoever calls tries again.
  });
  let reason: Error | undefined;
  redis.on('error', (error) => (reason = error));
  try {
    return await work(redis);
  } catch (error) {
    throw reason ?? error; // The error of the command says only that its connection is closed.
  } finally {
    redis.disconnect();
  }
}
