import { readFileSync } from 'node:fs';
import { z } from 'zod';

import { currencies } from '../contracts/money';
import { tenantPattern } from '../contracts/ids';

const wholeNumber = z
  .string()
  .regex(/^\d{1,9}$/, 'a whole number')
  .transform(Number);
const mysqlUrl = z.url({ protocol: /^mysql$/, error: 'mysql://user:password@host:port/database' });
const merchantAccounts = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue('JSON, such as {"acme":{"EUR":"merchant-EUR"}}');
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string().regex(tenantPattern), z.partialRecord(z.enum(currencies), z.string())));

const variablesSchema = z.object({
  ACCORD_CLUSTER: z.string().min(1).default('main'),
  API_HOST: z.string().min(1).default('127.0.0.1'), // Open to others only where somebody says so.
  API_PORT: wholeNumber.default(8080),
  API_TRUST_PROXY_HOPS: wholeNumber.default(0),
  API_DATABASE_URL: mysqlUrl,
  API_ORDERS_DATABASE_URL: mysqlUrl,
  API_DATABASE_CONNECTIONS: wholeNumber.default(20),
  /** Signs cursors and digests of fields: the same in every API process. */
  API_SECRET: z.string().min(32, 'at least 32 characters'),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'redis://host:port' }),
  TEMPORAL_ADDRESS: z.string().min(1),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: z.string().min(1).optional(),
  MERCHANT_ACCOUNTS: merchantAccounts.default({}),
  STARTS_PER_SECOND: wholeNumber.default(1_000),
  READS_PER_SECOND: wholeNumber.default(500),
  OPERATIONS_PER_SECOND: wholeNumber.default(20),
  FAILED_CREDENTIALS_PER_SECOND: wholeNumber.default(50),
  /** Accepted starts that Temporal has not confirmed: above this a start is refused. */
  START_BACKLOG_MAX: wholeNumber.default(10_000),
  STARTS_IN_HAND_MAX: wholeNumber.default(512),
  /** Delay of the event loop above which starts are shed; above twice of it lists. */
  LOOP_DELAY_MAX_MS: wholeNumber.default(200),
  WAITERS_MAX: wholeNumber.default(1_000),
  SHUTDOWN_GRACE_MS: wholeNumber.default(5_000), // A balancer needs that long to see that readiness fell.
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent']).default('info'),
});

export type Variables = Readonly<Record<string, string | undefined>>;
export type Config = ReturnType<typeof loadConfig>;

/**
 * The configuration of the API, frozen. Each variable may also be given as `<NAME>_FILE`, the path of a file that holds
 * it; an empty one counts as absent.
 *
 * @throws Error that names every variable that is wrong, never a value.
 */
export function loadConfig(environment: Variables = process.env) {
  const parsed = variablesSchema.safeParse(given(environment));
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The configuration of the API is wrong.\n${faults.join('\n')}`);
  }
  const variables = parsed.data;
  return Object.freeze({
    cluster: variables.ACCORD_CLUSTER,
    listen: { host: variables.API_HOST, port: variables.API_PORT },
    trustProxyHops: variables.API_TRUST_PROXY_HOPS,
    accordUrl: variables.API_DATABASE_URL,
    ordersUrl: variables.API_ORDERS_DATABASE_URL,
    databaseConnections: variables.API_DATABASE_CONNECTIONS,
    secret: variables.API_SECRET,
    redisUrl: variables.REDIS_URL,
    temporal: {
      address: variables.TEMPORAL_ADDRESS,
      namespace: variables.TEMPORAL_NAMESPACE,
      apiKey: variables.TEMPORAL_API_KEY,
    },
    merchantAccounts: variables.MERCHANT_ACCOUNTS,
    limits: {
      starts: { perSecond: variables.STARTS_PER_SECOND, burst: 2 * variables.STARTS_PER_SECOND },
      reads: { perSecond: variables.READS_PER_SECOND, burst: variables.READS_PER_SECOND },
      operations: {
        perSecond: variables.OPERATIONS_PER_SECOND,
        burst: variables.OPERATIONS_PER_SECOND,
      },
      failedCredentials: {
        perSecond: variables.FAILED_CREDENTIALS_PER_SECOND,
        burst: variables.FAILED_CREDENTIALS_PER_SECOND,
      },
    },
    startBacklogMax: variables.START_BACKLOG_MAX,
    startsInHandMax: variables.STARTS_IN_HAND_MAX,
    loopDelayMaxMs: variables.LOOP_DELAY_MAX_MS,
    waitersMax: variables.WAITERS_MAX,
    shutdownGraceMs: variables.SHUTDOWN_GRACE_MS,
    logLevel: variables.LOG_LEVEL,
  });
}

function given(environment: Variables): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of Object.keys(variablesSchema.shape)) {
    const value = environment[name];
    const file = environment[`${name}_FILE`];
    if (value !== undefined && value !== '') values[name] = value;
    else if (file !== undefined && file !== '') values[name] = readFileSync(file, 'utf8').trimEnd();
  }
  return values;
}
