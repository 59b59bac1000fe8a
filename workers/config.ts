import { z } from 'zod';

import {
  address,
  clusterName,
  databaseUrl,
  databaseUrls,
  databaseVariableOf,
  listenHost,
  listOf,
  logLevel,
  port,
  readEnvironment,
  readyFile,
  redisUrl,
  temporalShape,
  warningsOfUnknown,
  wholeNumber,
  type Environment,
} from '../runtime/environment';
import { application } from '../contracts/engine/application';
import { faultsOf, faultsShape } from '../runtime/faults/config';

/** What every process reads. Addresses default to this machine; what holds a password has no default. */
const processShape = {
  LOG_LEVEL: logLevel,
  READY_FILE: readyFile,
  METRICS_HOST: listenHost.default('127.0.0.1'),
};
const kafkaShape = {
  KAFKA_BROKERS: listOf(address).default(['127.0.0.1:9092']),
  /** Put before every topic and group, so that two clusters can share one Kafka. */
  KAFKA_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,64}$/, 'up to 64 of letters, digits, ., _ and -')
    .default(''),
};

const clusterShape = { ACCORD_CLUSTER: clusterName.default('main') };

const transactionWorkerShape = () => ({
  ...processShape,
  ...faultsShape,
  /** 0: any free port. */
  METRICS_PORT: port.default(9464),
  ...temporalShape,
  TEMPORAL_ADDRESS: address.default('127.0.0.1:7233'),
  ...participantShape(),
  ACCORD_DATABASE_URL: databaseUrl,
  REDIS_URL: redisUrl.default('redis://127.0.0.1:6379'),
  /** For how long a step may fail transiently before its transaction is shown as stuck. */
  STUCK_ALARM_SECONDS: wholeNumber(1, 86_400).default(30),
  /** Whether this worker keeps the schedules of the jobs as they should be. */
  SCHEDULES: z.enum(['on', 'off']).default('on'),
  /** Whether Temporal's query `__stack_trace` shows where a workflow waits. It costs a quarter of the workflow thread. */
  WORKFLOW_STACK_TRACES: z.enum(['on', 'off']).default('off'),
  /** How long fence rows stay after their transaction has ended; bounded from below at the start. */
  FENCE_KEEP_DAYS: wholeNumber(1, 365).default(14),
  ...clusterShape,
});

/** `<PARTICIPANT>_DATABASE_URL` of each participant of the application. */
const participantShape = () =>
  Object.fromEntries(
    application().reserving.map((name) => [databaseVariableOf(name), databaseUrl] as const),
  );

const databaseUrlsOf = (
  value: Readonly<Record<string, unknown>> & { readonly ACCORD_DATABASE_URL: string },
): Readonly<Record<string, string>> & { readonly accord: string } =>
  Object.freeze({
    ...Object.fromEntries(
      application().reserving.map(
        (name) => [name, String(value[databaseVariableOf(name)])] as const,
      ),
    ),
    accord: value.ACCORD_DATABASE_URL,
  });

const relayShape = {
  ...processShape,
  ...faultsShape,
  ...kafkaShape,
  METRICS_PORT: port.default(9465),
  /** One for each database with an outbox. */
  RELAY_DATABASE_URLS: databaseUrls(),
  /**
   * The region whose Kafka this is: it publishes while the hub calls that one active. Left out: there is one region.
   */
  ACCORD_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,16}$/, '1 to 16 of a-z, 0-9 and -')
    .optional(),
  ...clusterShape,
  /** How long published rows stay, for a republish after a switch of regions and for the checks. */
  RELAY_KEEP_HOURS: wholeNumber(1, 8_760).default(168),
};

const consumerShape = {
  ...processShape,
  ...faultsShape,
  ...kafkaShape,
  METRICS_PORT: port.default(9466),
  CONSUMER_DATABASE_URL: databaseUrl,
};

/** Configuration of workers/transactions. */
export const loadTransactionWorkerConfig = (environment: Environment = process.env) => {
  const value = readEnvironment(transactionWorkerShape(), environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    readyFile: value.READY_FILE,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    temporal: {
      address: value.TEMPORAL_ADDRESS,
      namespace: value.TEMPORAL_NAMESPACE,
      apiKey: value.TEMPORAL_API_KEY,
    },
    databases: databaseUrlsOf(value),
    redisUrl: value.REDIS_URL,
    cluster: value.ACCORD_CLUSTER,
    faults: faultsOf(value),
    stuckAlarmMs: value.STUCK_ALARM_SECONDS * 1_000,
    keepsSchedules: value.SCHEDULES === 'on',
    stackTraces: value.WORKFLOW_STACK_TRACES === 'on',
    fenceKeepMs: value.FENCE_KEEP_DAYS * 24 * 3_600_000,
  });
};
export type TransactionWorkerConfig = ReturnType<typeof loadTransactionWorkerConfig>;

/** Address of a server, not of one database in it. */
const serverUrl = z.url({ protocol: /^(?:mysql|rediss?)$/, error: 'mysql:// or redis://' });
const regionName = z.string().regex(/^[a-z0-9]{1,8}$/);

/** How the hub reaches a region; one of them for each, by name, as JSON. */
const regionsSchema = z.record(
  regionName,
  z.strictObject({
    mysqlUrl: serverUrl,
    redisUrl: serverUrl,
    mysql: address,
    redis: address,
    brokers: z.array(address).min(1),
    agent: address,
    source: z.strictObject({
      host: z.string(),
      port: z.number().int(),
      user: z.string(),
      password: z.string(),
    }),
    redisLink: z.strictObject({ host: z.string(), port: z.number().int() }),
  }),
);

const failoverShape = {
  ...processShape,
  ...faultsShape,
  ...clusterShape,
  METRICS_PORT: port.default(9467),
  ...temporalShape,
  TEMPORAL_ADDRESS: address.default('127.0.0.1:7233'),
  /** Address of the hub's database, for a user who may change the cluster's row. */
  FAILOVER_DATABASE_URL: databaseUrl,
  /**
   * Database address on the route that clients take. Heartbeats are written there: when they are refused, all clients
   * are refused.
   */
  ORDERS_DATABASE_URL: databaseUrl,
  /** The same way, for who proves from every vantage point that a region takes writes, and may do nothing else. */
  WATCH_DATABASE_URL: databaseUrl,
  /** `off`: the cluster is looked at, and nothing is done about it. */
  REGION_WATCH: z.enum(['on', 'off']).default('on'),
  ROUTER_ADDRESS: address,
  REGIONS: z.string().transform((text, context) => {
    try {
      return regionsSchema.parse(JSON.parse(text));
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : '' });
      return z.NEVER;
    }
  }),
  /** Databases that bear a region's epoch. */
  REGION_DATABASES: listOf(z.string().regex(/^[a-z0-9_]{1,64}$/)),
};

/** Configuration of workers/failover. */
export const loadFailoverConfig = (environment: Environment = process.env) => {
  const value = readEnvironment(failoverShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    readyFile: value.READY_FILE,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    temporal: {
      address: value.TEMPORAL_ADDRESS,
      namespace: value.TEMPORAL_NAMESPACE,
      apiKey: value.TEMPORAL_API_KEY,
    },
    hubUrl: value.FAILOVER_DATABASE_URL,
    activeUrl: value.ORDERS_DATABASE_URL,
    watch: { url: value.WATCH_DATABASE_URL, acts: value.REGION_WATCH === 'on' },
    router: value.ROUTER_ADDRESS,
    regions: value.REGIONS,
    participants: value.REGION_DATABASES,
    cluster: value.ACCORD_CLUSTER,
    faults: faultsOf(value),
  });
};

/** Configuration of workers/relay. */
export const loadRelayConfig = (environment: Environment = process.env) => {
  const value = readEnvironment(relayShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    readyFile: value.READY_FILE,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    kafka: { brokers: value.KAFKA_BROKERS, topicPrefix: value.KAFKA_TOPIC_PREFIX },
    databaseUrls: value.RELAY_DATABASE_URLS,
    faults: faultsOf(value),
    keepSeconds: value.RELAY_KEEP_HOURS * 3_600,
    cluster: value.ACCORD_CLUSTER,
    region: value.ACCORD_REGION,
  });
};

/** Configuration of workers/consumers. */
export const loadConsumerConfig = (environment: Environment = process.env) => {
  const value = readEnvironment(consumerShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    readyFile: value.READY_FILE,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    kafka: { brokers: value.KAFKA_BROKERS, topicPrefix: value.KAFKA_TOPIC_PREFIX },
    databaseUrl: value.CONSUMER_DATABASE_URL,
    faults: faultsOf(value),
  });
};

/** Every variable that a worker reads; each also as <NAME>_FILE. */
export const workerVariables = () => ({
  transactions: Object.keys(transactionWorkerShape()),
  failover: Object.keys(failoverShape),
  relay: Object.keys(relayShape),
  consumer: Object.keys(consumerShape),
});

/** A warning for each variable that looks like one of ours and is read by nothing. */
export const unknownVariables = (
  worker: keyof ReturnType<typeof workerVariables>,
  environment: Environment = process.env,
): readonly string[] => warningsOfUnknown(workerVariables()[worker], environment);
