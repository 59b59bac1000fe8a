import { readFileSync } from 'node:fs';

import { z } from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment does not describe a process that can run; names every variable that is wrong, never its value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

const databaseUrl = z.url({
  protocol: /^mysql$/,
  error: 'mysql://user:password@host:port/database',
});
const listOf = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item).min(1));
const address = z.string().regex(/^[^\s:]+:\d{1,5}$/, 'host:port');
const port = z.coerce.number().int().min(0).max(65_535);

/** What every process reads. Addresses default to this machine; what holds a password has no default. */
const processShape = {
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  METRICS_HOST: z.string().min(1).default('127.0.0.1'),
  NODE_ENV: z.string().default(''),
  /** Fault points to arm, for drills: activities/fault-points.ts has the grammar. */
  FAULTS: z.string().default(''),
  FAULT_SEED: z.coerce.number().int().default(1),
  /** Production runs no FAULTS unless this says so. */
  ALLOW_FAULTS: z.enum(['0', '1']).default('0'),
};
const kafkaShape = {
  KAFKA_BROKERS: listOf(address).default(['127.0.0.1:9092']),
  /** Put before every topic and group, so that two clusters can share one Kafka. */
  KAFKA_TOPIC_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._-]{0,64}$/)
    .default(''),
};

const transactionWorkerShape = {
  ...processShape,
  /** 0: any free port. */
  METRICS_PORT: port.default(9464),
  TEMPORAL_ADDRESS: address.default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  INVENTORY_DATABASE_URL: databaseUrl,
  ACCOUNTS_DATABASE_URL: databaseUrl,
  ORDERS_DATABASE_URL: databaseUrl,
  COUPONS_DATABASE_URL: databaseUrl,
  ACCORD_DATABASE_URL: databaseUrl,
  REDIS_URL: z
    .url({ protocol: /^rediss?$/, error: 'redis://host:port' })
    .default('redis://127.0.0.1:6379'),
  ACCORD_CLUSTER: z
    .string()
    .regex(/^[a-z0-9-]{1,16}$/)
    .default('main'),
};

const relayShape = {
  ...processShape,
  ...kafkaShape,
  METRICS_PORT: port.default(9465),
  /** One for each database with an outbox. */
  RELAY_DATABASE_URLS: listOf(databaseUrl),
  /** How long published rows stay, for a republish after a switch of regions and for the checks. */
  RELAY_KEEP_HOURS: z.coerce.number().int().min(1).max(8_760).default(168),
};

const consumerShape = {
  ...processShape,
  ...kafkaShape,
  METRICS_PORT: port.default(9466),
  CONSUMER_DATABASE_URL: databaseUrl,
};

/** Configuration of workers/transactions. */
export const loadTransactionWorkerConfig = (environment: Environment = process.env) => {
  const value = read(transactionWorkerShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    temporal: { address: value.TEMPORAL_ADDRESS, namespace: value.TEMPORAL_NAMESPACE },
    databases: Object.freeze({
      inventory: value.INVENTORY_DATABASE_URL,
      accounts: value.ACCOUNTS_DATABASE_URL,
      orders: value.ORDERS_DATABASE_URL,
      coupons: value.COUPONS_DATABASE_URL,
      accord: value.ACCORD_DATABASE_URL,
    }),
    redisUrl: value.REDIS_URL,
    cluster: value.ACCORD_CLUSTER,
    faults: faultsOf(value),
  });
};
export type TransactionWorkerConfig = ReturnType<typeof loadTransactionWorkerConfig>;

/** Configuration of workers/relay. */
export const loadRelayConfig = (environment: Environment = process.env) => {
  const value = read(relayShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    kafka: { brokers: value.KAFKA_BROKERS, topicPrefix: value.KAFKA_TOPIC_PREFIX },
    databaseUrls: value.RELAY_DATABASE_URLS,
    keepSeconds: value.RELAY_KEEP_HOURS * 3_600,
  });
};
export type RelayConfig = ReturnType<typeof loadRelayConfig>;

/** Configuration of workers/consumers. */
export const loadConsumerConfig = (environment: Environment = process.env) => {
  const value = read(consumerShape, environment);
  return Object.freeze({
    logLevel: value.LOG_LEVEL,
    metrics: { host: value.METRICS_HOST, port: value.METRICS_PORT },
    kafka: { brokers: value.KAFKA_BROKERS, topicPrefix: value.KAFKA_TOPIC_PREFIX },
    databaseUrl: value.CONSUMER_DATABASE_URL,
  });
};
export type ConsumerConfig = ReturnType<typeof loadConsumerConfig>;

/** What is armed, and with which seed. @throws ConfigurationError in production without ALLOW_FAULTS=1. */
function faultsOf(value: {
  readonly NODE_ENV: string;
  readonly FAULTS: string;
  readonly FAULT_SEED: number;
  readonly ALLOW_FAULTS: '0' | '1';
}): { readonly text: string; readonly seed: number } {
  if (value.FAULTS !== '' && value.NODE_ENV === 'production' && value.ALLOW_FAULTS === '0') {
    throw new ConfigurationError('FAULTS is set in production: remove it, or set ALLOW_FAULTS=1.');
  }
  return { text: value.FAULTS, seed: value.FAULT_SEED };
}

/** All variables of a shape, each from its own name or from the file that `<NAME>_FILE` points to. */
function read<Shape extends z.ZodRawShape>(
  shape: Shape,
  environment: Environment,
): z.output<z.ZodObject<Shape>> {
  const problems: string[] = [];
  const given = Object.fromEntries(
    Object.keys(shape).map((name) => [name, valueOf(name, environment, problems)]),
  );
  const parsed = z.object(shape).safeParse(given);
  if (parsed.success && problems.length === 0) return parsed.data;
  const wrong = parsed.success ? [] : parsed.error.issues;
  throw new ConfigurationError(
    ['Configuration is wrong:', ...problems, ...wrong.map(describe)].join('\n  '),
  );
}

/** An empty variable is an unset one: that is what a template leaves behind. */
function valueOf(name: string, environment: Environment, problems: string[]): string | undefined {
  const file = environment[`${name}_FILE`];
  if (!file) return environment[name] || undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    problems.push(`${name}_FILE: cannot be read`);
    return undefined;
  }
}

/** Name and reason; zod's own messages may quote the value, which may be a secret. */
const describe = ({ path, code, message }: z.core.$ZodIssue): string =>
  `${String(path[0])}: ${code === 'invalid_format' ? `not of the form ${message}` : message}`;
