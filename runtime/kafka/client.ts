/** The door to Kafka: every client of it is opened here. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import {
  Kafka,
  logLevel,
  type Admin,
  type KafkaConfig,
  type LogEntry,
  type RetryOptions,
} from 'kafkajs';

import { topicOf, topicPartitions } from '../../contracts/engine/events';
import { application } from '../../contracts/engine/application';
import type { Logger } from '../logger';

/** What of the driver others need as values: errors that they know by class, and its numbers and functions. */
export {
  ConfigResourceTypes,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  Partitioners,
} from 'kafkajs';

export interface KafkaSettings {
  readonly brokers: readonly string[];
  /** Put before every topic and group. */
  readonly topicPrefix: string;
}

/** The topics of the application, as they are called on this Kafka. */
export const allTopics = ({ topicPrefix }: KafkaSettings): readonly string[] =>
  application().fenced.map((participant) => `${topicPrefix}${topicOf(participant)}`);

/** Retries of the client itself. Relay and consumers repeat what fails for longer. */
export const retry = { initialRetryTime: 100, maxRetryTime: 1_000, retries: 2 } as const;

/**
 * Brokers for the client. The client cuts an address at its first colon. So an IPv6 address gets a name of ours, which
 * is resolved when the connection is opened.
 */
export function brokersOf(
  addresses: readonly string[],
): Pick<KafkaConfig, 'brokers' | 'socketFactory'> {
  const hosts = new Map<string, string>();
  const brokers = addresses.map((address, at) => {
    const [, host, port] = /^\[(.+)\]:(\d+)$/.exec(address) ?? [];
    if (host === undefined) return address;
    hosts.set(`broker-${at}.invalid`, host);
    return `broker-${at}.invalid:${String(port)}`;
  });
  if (hosts.size === 0) return { brokers };
  return {
    brokers,
    socketFactory: ({ host, port, onConnect }) =>
      connect({ host: hosts.get(host) ?? host, port }, onConnect).setKeepAlive(true, keepAliveMs),
  };
}

/** The same value as in the client's own sockets. */
const keepAliveMs = 60_000;

/** Opens no connection yet. Its calls fail after seconds, not minutes: relay and consumers retry by themselves. */
export function createKafka(
  { brokers }: KafkaSettings,
  { clientId, logger }: { readonly clientId: string; readonly logger: Logger },
): Kafka {
  return new Kafka({
    clientId,
    ...brokersOf(brokers),
    connectionTimeout: 1_000,
    requestTimeout: 3_000, // With the two retries below, a silent broker costs about ten seconds.
    retry,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => logKafka(logger, entry),
  });
}

/** A client for one check, which logs nothing: whoever checks says what failed. Connects nowhere yet. */
export const createCheckingKafka = (
  brokers: readonly string[],
  limits: {
    readonly clientId: string;
    readonly connectMs: number;
    readonly requestMs: number;
    readonly retry: RetryOptions;
  },
): Kafka =>
  new Kafka({
    clientId: limits.clientId,
    ...brokersOf(brokers),
    connectionTimeout: limits.connectMs,
    requestTimeout: limits.requestMs,
    retry: limits.retry,
    logLevel: logLevel.NOTHING,
  });

/**
 * Creates missing topics, and waits until they can be written. An existing topic keeps its partitions. Safe to repeat,
 * also concurrently.
 */
export async function ensureTopics(kafka: Kafka, names: readonly string[]): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await admin.createTopics({
      waitForLeaders: false, // The client's own wait fails on a broker that does not know the topic yet.
      topics: names.map((topic) => ({ topic, numPartitions: topicPartitions })),
    });
    await awaitLeaders(admin, names);
  } finally {
    await admin.disconnect();
  }
}

/** A new topic reaches the metadata of brokers within milliseconds. A longer wait shows a fault. */
const leaderWait = { triesMax: 50, pauseMs: 100 } as const;

async function awaitLeaders(admin: Admin, names: readonly string[]): Promise<void> {
  let failure: unknown = new Error(`Topics without a leader among: ${names.join(', ')}`);
  for (let tries = 0; tries < leaderWait.triesMax; tries += 1) {
    try {
      const { topics: found } = await admin.fetchTopicMetadata({ topics: [...names] });
      const partitions = found.flatMap((topic) => topic.partitions);
      const isReady = found.every((topic) => topic.partitions.length > 0);
      if (isReady && partitions.every(({ leader }) => leader >= 0)) return;
    } catch (error) {
      failure = error;
    }
    await delay(leaderWait.pauseMs);
  }
  throw failure;
}

/** Logs of the client are for debugging: callers report errors of Kafka once. */
function logKafka(logger: Logger, { namespace, log }: LogEntry): void {
  logger.debug({ kafka: namespace, ...log }, log.message);
}
