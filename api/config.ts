import { z } from 'zod';

import { referencePattern, tenantPattern } from '../contracts/engine/ids';
import { currencies } from '../contracts/engine/money';
import {
  address,
  clusterName,
  ConfigurationError,
  databaseUrl,
  databaseUrls,
  listenHost,
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
import { faultsOf, faultsShape } from '../runtime/faults/config';
import { whyReserved } from './http/realms';
import { riskPolicySchema } from './shop/risk-policy';
import { thresholdsSchema } from './approvals/two-persons';

const json = (example: string) =>
  z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue(`JSON, such as ${example}`);
      return z.NEVER;
    }
  });
/** An account of each tenant for each currency, without the tenant. */
const ownAccounts = json('{"acme":{"EUR":"merchant-EUR"}}').pipe(
  z.record(
    z.string().regex(tenantPattern),
    z.partialRecord(z.enum(currencies), z.string().regex(referencePattern)),
  ),
);

/** Public keys of an issuer (RFC 7517). A secret in it would be read by everybody who may read the configuration. */
const keySet = json('{"keys":[…]}').pipe(
  z.object({
    keys: z
      .array(
        z
          .looseObject({ kty: z.enum(['EC', 'OKP', 'RSA'], 'keys of EC, OKP or RSA') })
          .refine((key) => !('d' in key), 'public keys alone'),
      )
      .min(1),
  }),
);
const keySetUrl = z
  .url({ error: 'https://…', abort: true })
  .refine((url) => /^https:|^http:\/\/(localhost|127\.0\.0\.1|\[::1\])[:/]/.test(url), 'https://…');

const variables = {
  ...faultsShape,
  ACCORD_CLUSTER: clusterName.default('main'),
  API_HOST: listenHost.default('127.0.0.1'), // Open to others only where somebody says so.
  API_PORT: port.default(8080),
  API_TRUST_PROXY_HOPS: wholeNumber(0, 16).default(0),
  API_DATABASE_URL: databaseUrl,
  API_ORDERS_DATABASE_URL: databaseUrl,
  API_ACCOUNTS_DATABASE_URL: databaseUrl,
  API_INVENTORY_DATABASE_URL: databaseUrl,
  API_COUPONS_DATABASE_URL: databaseUrl,
  /** Of a user who may read what the checks compare, one a database. Empty: the checks are not served. */
  API_BOOKS_DATABASE_URLS: databaseUrls().optional(),
  API_DATABASE_CONNECTIONS: wholeNumber(1, 1_000).default(20),
  /** Signs cursors and digests of fields: the same in every API process. */
  API_SECRET: z.string().min(32, 'at least 32 characters'),
  /** Who makes operators' tokens, for whom, and with which keys: all three or none. OPERATOR_KEYS_FILE is for development. */
  OPERATOR_ISSUER: z.string().min(1).optional(),
  OPERATOR_AUDIENCE: z.string().min(1).optional(),
  OPERATOR_KEYS_URL: keySetUrl.optional(),
  OPERATOR_KEYS: keySet.optional(),
  REDIS_URL: redisUrl,
  ...temporalShape,
  TEMPORAL_ADDRESS: address,
  MERCHANT_ACCOUNTS: ownAccounts.default({}),
  CLEARING_ACCOUNTS: ownAccounts.default({}),
  RISK_POLICY: json('{"reviewScore":50}').pipe(riskPolicySchema).prefault('{}'),
  /** Amounts at risk from which a decision on a parked run wants two persons; 0: always. */
  TWO_PERSON_THRESHOLDS: json('{"EUR":1000000}').pipe(thresholdsSchema).prefault('{}'),
  /** How long a payment may wait for a person. */
  REVIEW_MS: wholeNumber(1_000, 2_592_000_000).default(259_200_000),
  STARTS_PER_SECOND: wholeNumber(1, 1_000_000).default(1_000),
  READS_PER_SECOND: wholeNumber(1, 1_000_000).default(500),
  OPERATIONS_PER_SECOND: wholeNumber(1, 1_000_000).default(20),
  FAILED_CREDENTIALS_PER_SECOND: wholeNumber(1, 1_000_000).default(50),
  /** Accepted starts that Temporal has not confirmed: above this a start is refused. */
  START_BACKLOG_MAX: wholeNumber(0, 1_000_000).default(10_000),
  STARTS_IN_HAND_MAX: wholeNumber(1, 100_000).default(512),
  /** Delay of the event loop above which starts are shed; above twice of it lists. */
  LOOP_DELAY_MAX_MS: wholeNumber(10, 600_000).default(200),
  WAITERS_MAX: wholeNumber(0, 1_000_000).default(1_000),
  SHUTDOWN_GRACE_MS: wholeNumber(0, 600_000).default(5_000), // A balancer needs that long to see that readiness fell.
  LOG_LEVEL: logLevel,
  READY_FILE: readyFile,
};

/** Every variable that the API reads; each also as <NAME>_FILE. */
export const apiVariables = Object.keys(variables);

/** A warning for each variable that looks like one of ours and is read by nothing. */
export const unknownVariables = (environment: Environment = process.env): readonly string[] =>
  warningsOfUnknown(apiVariables, environment);

export type Config = ReturnType<typeof loadConfig>;
type Given = ReturnType<typeof readEnvironment<typeof variables>>;

/** Whose tokens are taken. */
export type OperatorsConfig = { readonly issuer: string; readonly audience: string } & (
  { readonly url: string } | { readonly keySet: z.output<typeof keySet> }
);

/** @returns null: no operator's token is taken. @throws ConfigurationError: some of it is given. */
function operatorsOf({
  OPERATOR_ISSUER: issuer,
  OPERATOR_AUDIENCE: audience,
  OPERATOR_KEYS_URL: url,
  OPERATOR_KEYS: keys,
}: Given): OperatorsConfig | null {
  if ([issuer, audience, url, keys].every((one) => one === undefined)) return null;
  const [from, ...more] = [
    ...(url === undefined ? [] : [{ url }]),
    ...(keys === undefined ? [] : [{ keySet: keys }]),
  ];
  const isOneSet = from !== undefined && more.length === 0;
  if (issuer !== undefined && audience !== undefined && isOneSet)
    return { issuer, audience, ...from };
  const wrong = [
    ...(issuer === undefined ? ['OPERATOR_ISSUER: missing'] : []),
    ...(audience === undefined ? ['OPERATOR_AUDIENCE: missing'] : []),
    ...(isOneSet ? [] : ['OPERATOR_KEYS_URL, OPERATOR_KEYS: exactly one of them']),
  ];
  throw new ConfigurationError(['The configuration is wrong:', ...wrong].join('\n  '));
}

/** @throws ConfigurationError: a tenant has the name of the cluster. */
function demandTenants(given: Given): void {
  const wrong = (['MERCHANT_ACCOUNTS', 'CLEARING_ACCOUNTS'] as const)
    .filter((name) => given.ACCORD_CLUSTER in given[name])
    .map((name) => `${name}: ${whyReserved(given.ACCORD_CLUSTER)}`);
  if (wrong.length > 0)
    throw new ConfigurationError(['The configuration is wrong:', ...wrong].join('\n  '));
}

/** The configuration of the API, frozen. @throws ConfigurationError */
export function loadConfig(environment: Environment = process.env) {
  const given = readEnvironment(variables, environment);
  demandTenants(given);
  return Object.freeze({
    cluster: given.ACCORD_CLUSTER,
    listen: { host: given.API_HOST, port: given.API_PORT },
    trustProxyHops: given.API_TRUST_PROXY_HOPS,
    accordUrl: given.API_DATABASE_URL,
    ordersUrl: given.API_ORDERS_DATABASE_URL,
    accountsUrl: given.API_ACCOUNTS_DATABASE_URL,
    inventoryUrl: given.API_INVENTORY_DATABASE_URL,
    couponsUrl: given.API_COUPONS_DATABASE_URL,
    booksUrls: given.API_BOOKS_DATABASE_URLS ?? [],
    databaseConnections: given.API_DATABASE_CONNECTIONS,
    secret: given.API_SECRET,
    operators: operatorsOf(given),
    redisUrl: given.REDIS_URL,
    temporal: {
      address: given.TEMPORAL_ADDRESS,
      namespace: given.TEMPORAL_NAMESPACE,
      apiKey: given.TEMPORAL_API_KEY,
    },
    merchantAccounts: given.MERCHANT_ACCOUNTS,
    clearingAccounts: given.CLEARING_ACCOUNTS,
    riskPolicy: given.RISK_POLICY,
    twoPersonThresholds: given.TWO_PERSON_THRESHOLDS,
    reviewMs: given.REVIEW_MS,
    limits: {
      starts: { perSecond: given.STARTS_PER_SECOND, burst: 2 * given.STARTS_PER_SECOND },
      reads: { perSecond: given.READS_PER_SECOND, burst: given.READS_PER_SECOND },
      operations: {
        perSecond: given.OPERATIONS_PER_SECOND,
        burst: given.OPERATIONS_PER_SECOND,
      },
      failedCredentials: {
        perSecond: given.FAILED_CREDENTIALS_PER_SECOND,
        burst: given.FAILED_CREDENTIALS_PER_SECOND,
      },
    },
    startBacklogMax: given.START_BACKLOG_MAX,
    startsInHandMax: given.STARTS_IN_HAND_MAX,
    loopDelayMaxMs: given.LOOP_DELAY_MAX_MS,
    waitersMax: given.WAITERS_MAX,
    shutdownGraceMs: given.SHUTDOWN_GRACE_MS,
    logLevel: given.LOG_LEVEL,
    readyFile: given.READY_FILE,
    faults: faultsOf(given),
  });
}
