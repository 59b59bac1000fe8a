import { z } from 'zod';

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
import { thresholdsSchema } from './approvals/two-persons';
import { laneModesSchema } from './transactions/lanes';

/** A variable whose value is JSON; `example` is what an operator is shown where it is none. */
export const json = (example: string) =>
  z.string().transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue(`JSON, such as ${example}`);
      return z.NEVER;
    }
  });

/**
 * Public keys of an issuer (RFC 7517). A secret among them could be read by every person who may read the
 * configuration.
 */
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
  /** Addresses for a user who may read what the checks compare, one for each database. Empty: the API has no checks. */
  API_BOOKS_DATABASE_URLS: databaseUrls().optional(),
  API_DATABASE_CONNECTIONS: wholeNumber(1, 1_000).default(20),
  /** Signs cursors and digests of fields: the same in every API process. */
  API_SECRET: z.string().min(32, 'at least 32 characters'),
  /**
   * Who makes operators' tokens, for whom, and with which keys: all three or none. OPERATOR_KEYS_FILE is for
   * development.
   */
  OPERATOR_ISSUER: z.string().min(1).optional(),
  OPERATOR_AUDIENCE: z.string().min(1).optional(),
  OPERATOR_KEYS_URL: keySetUrl.optional(),
  OPERATOR_KEYS: keySet.optional(),
  REDIS_URL: redisUrl,
  ...temporalShape,
  TEMPORAL_ADDRESS: address,
  /** Amounts at risk from which a decision on a parked run wants two persons; 0: always. */
  TWO_PERSON_THRESHOLDS: json('{"EUR":1000000}').pipe(thresholdsSchema).prefault('{}'),
  STARTS_PER_SECOND: wholeNumber(1, 1_000_000).default(1_000),
  READS_PER_SECOND: wholeNumber(1, 1_000_000).default(500),
  OPERATIONS_PER_SECOND: wholeNumber(1, 1_000_000).default(20),
  FAILED_CREDENTIALS_PER_SECOND: wholeNumber(1, 1_000_000).default(50),
  /** Accepted starts that wait for Temporal, not confirmed in time: above this a start is refused. */
  START_BACKLOG_MAX: wholeNumber(0, 1_000_000).default(10_000),
  /** All tenants together; one of them holds no more than is still free. */
  STARTS_IN_HAND_MAX: wholeNumber(1, 100_000).default(1_024),
  /** Which starts share a workflow: for all flows, and for single ones. */
  LANES: laneModesSchema.prefault('mixed'),
  /** Delay of the event loop above which starts are shed; above twice of it lists. */
  LOOP_DELAY_MAX_MS: wholeNumber(10, 600_000).default(200),
  WAITERS_MAX: wholeNumber(0, 1_000_000).default(1_000),
  SHUTDOWN_GRACE_MS: wholeNumber(0, 600_000).default(5_000), // A balancer needs that long to see that readiness fell.
  LOG_LEVEL: logLevel,
  READY_FILE: readyFile,
};

/** Environment variables that an application adds to those of the API, and what becomes of them. */
export interface OwnVariables<Own extends object> {
  readonly shape: z.ZodRawShape;
  /** @throws ConfigurationError: each value fits its variable, and together they do not fit. */
  readonly settings: (given: Readonly<Record<string, unknown>>, cluster: string) => Own;
}

/**
 * @param settings of the values that the shape has parsed.
 * @throws a plain error: a name is one of the API's own.
 */
export function ownVariables<Shape extends z.ZodRawShape, Own extends object>(
  shape: Shape,
  settings: (given: z.output<z.ZodObject<Shape>>, cluster: string) => Own,
): OwnVariables<Own> {
  const taken = Object.keys(shape).filter((name) => name in variables);
  if (taken.length > 0) throw new Error(`The API reads ${taken.join(', ')} itself.`);
  return {
    shape,
    // `loadConfig` has parsed it by this very shape.
    settings: (given, cluster) => settings(given as z.output<z.ZodObject<Shape>>, cluster),
  };
}

/** For an application without variables of its own. */
export const noVariables: OwnVariables<object> = ownVariables({}, () => ({}));

/** Every variable that the API of this application reads; each also as <NAME>_FILE. */
export const apiVariables = ({ shape }: Pick<OwnVariables<object>, 'shape'>): readonly string[] =>
  Object.keys({ ...variables, ...shape });

/** A warning for each variable that looks like one of ours and is read by nothing. */
export const unknownVariables = (
  own: Pick<OwnVariables<object>, 'shape'>,
  environment: Environment = process.env,
): readonly string[] => warningsOfUnknown(apiVariables(own), environment);

export type Config = ReturnType<typeof configOf>;
type Given = ReturnType<typeof readEnvironment<typeof variables>>;

/** The issuer and audience whose tokens are accepted, and where its keys come from. */
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

/**
 * The configuration of the API with what its application adds to it, frozen.
 *
 * @throws ConfigurationError that names every variable that is wrong.
 */
export function loadConfig<Own extends object>(
  own: OwnVariables<Own>,
  environment: Environment = process.env,
): Readonly<Config & Own> {
  const given = readEnvironment({ ...own.shape, ...variables }, environment);
  const config = configOf(given);
  return Object.freeze({ ...own.settings(given, config.cluster), ...config });
}

function configOf(given: Given) {
  return {
    cluster: given.ACCORD_CLUSTER,
    listen: { host: given.API_HOST, port: given.API_PORT },
    trustProxyHops: given.API_TRUST_PROXY_HOPS,
    accordUrl: given.API_DATABASE_URL,
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
    twoPersonThresholds: given.TWO_PERSON_THRESHOLDS,
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
    lanes: given.LANES,
    loopDelayMaxMs: given.LOOP_DELAY_MAX_MS,
    waitersMax: given.WAITERS_MAX,
    shutdownGraceMs: given.SHUTDOWN_GRACE_MS,
    logLevel: given.LOG_LEVEL,
    readyFile: given.READY_FILE,
    faults: faultsOf(given),
  } as const;
}
