import { readFileSync } from 'node:fs';

import { z } from 'zod';

import { tenantPattern } from '../contracts/engine/ids';
import { application } from '../contracts/engine/application';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment does not describe a process that can run; names every variable that is wrong, never its value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/**
 * All variables of a shape, each from its own name or from the file that `<NAME>_FILE` points to. An empty variable
 * counts as unset, because a template leaves it so.
 *
 * @throws ConfigurationError
 */
export function readEnvironment<Shape extends z.ZodRawShape>(
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
  const others = Object.keys(environment).filter((name) => environment[name] && !(name in shape));
  const sentence = (issue: z.core.$ZodIssue): string => describe(issue, given, others);
  throw new ConfigurationError(
    ['The configuration is wrong:', ...problems, ...wrong.map(sentence)].join('\n  '),
  );
}

function valueOf(name: string, environment: Environment, problems: string[]): string | undefined {
  const value = environment[name];
  if (value) return value;
  const file = environment[`${name}_FILE`];
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    problems.push(`${name}_FILE: cannot be read`);
    return undefined;
  }
}

/** Name and reason; zod's own messages may quote the value, which may be a secret. @param others variables that are set. */
function describe(
  issue: z.core.$ZodIssue,
  given: Readonly<Record<string, string | undefined>>,
  others: readonly string[],
): string {
  const [name, ...within] = issue.path;
  const value = given[String(name)];
  const place = value === undefined ? '' : placeOf(within, value);
  if (value !== undefined) return `${String(name)}${place}: ${reasonOf(issue)}`;
  const misspelt = nearest(String(name), others);
  const hint = misspelt === undefined ? '' : `; ${misspelt} is set: is ${String(name)} meant?`;
  return `${String(name)}: missing${hint}`;
}

/** Place in the value: the number in a list, the names in JSON. */
function placeOf(within: readonly PropertyKey[], value: string): string {
  const [at, ...more] = within;
  if (at === undefined) return '';
  return typeof at === 'number' && more.length === 0
    ? placeIn(value, at)
    : `, ${within.map(String).join('.')}`;
}

const nouns: Readonly<Record<string, string>> = {
  ...{ string: 'a text', number: 'a number', int: 'a whole number', boolean: 'true or false' },
  ...{ array: 'a list', object: 'an object', record: 'an object' },
};

function reasonOf(issue: z.core.$ZodIssue): string {
  const { code, message } = issue;
  const isOurs = !/^(?:Invalid|Too|Unrecognized) /.test(message);
  switch (code) {
    case 'invalid_format':
      return `not of the form ${isOurs ? message : 'that is taken here'}`;
    case 'invalid_type':
      return message.endsWith('received undefined')
        ? 'missing'
        : `not ${nouns[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return isOurs ? message : `not one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return isOurs ? message : `less than ${issue.minimum}`;
    case 'too_big':
      return isOurs ? message : `more than ${issue.maximum}`;
    case 'unrecognized_keys':
      return `nothing reads ${issue.keys.join(', ')}`;
    case 'invalid_key':
      return 'no name that is taken here';
    default:
      return message;
  }
}

/** Place in a list, and the participant by the end of the address: the rest of an address may be a secret. */
function placeIn(list: string, at: number): string {
  const items = list.split(',');
  const participant = participantOf(items[at] ?? '');
  return `, address ${at + 1} of ${items.length}${participant === undefined ? '' : ` (${participant})`}`;
}

/** Databases have a prefix, so only the end of the name counts. */
const participantOf = (url: string): string | undefined =>
  application().fenced.find((one) =>
    url
      .trim()
      .replace(/[?#].*$/, '')
      .endsWith(one),
  );

// ——— variables that nobody reads ———

/** Our own variables that only some processes read, such as the database and the region of a worker. */
const namesOfOthers = [
  'ACCORD_CLUSTER',
  'ACCORD_DATABASE_URL',
  'ACCORD_MYSQL_ROOT_PASSWORD',
  'ACCORD_RECORD',
  'ACCORD_REDIS_PASSWORD',
  'ACCORD_REGION',
];

/** Ports of docker-compose.yml, and what Kubernetes gives every container for a service that is named `accord-…`. */
const addressSuffix = /_(?:SERVICE_HOST|SERVICE_PORT|PORT)(?:_[A-Z0-9_]+)?$/;

/**
 * A warning, in one line, for each variable that looks like one of ours but has no reader: after a typing error a
 * default would be used without notice.
 *
 * @param known every variable that this process reads.
 */
export function warningsOfUnknown(
  known: readonly string[],
  environment: Environment,
): readonly string[] {
  const names = [...new Set([...known, ...namesOfOthers])];
  const all = new Set(names.flatMap((name) => [name, `${name}_FILE`]));
  return Object.keys(environment)
    .filter((name) => environment[name] && !all.has(name))
    .flatMap((name) => {
      const meant = nearest(name.replace(/_FILE$/, ''), names);
      if (meant !== undefined) return [`${name} is read by nothing: is ${meant} meant?`];
      const isOurs = name.startsWith('ACCORD_') && !addressSuffix.test(name);
      return isOurs ? [`${name} is read by nothing.`] : [];
    })
    .sort();
}

/** The name that is one or two edits away. Short names allow one edit only: HOME and HOST are two words. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const within = (most: number): string | undefined =>
    known.find((other) => other.length >= 4 * most && editsBetween(name, other) <= most);
  return within(1) ?? within(2);
}

/** Letters put in, left out or changed (Levenshtein). */
function editsBetween(one: string, other: string): number {
  let above = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [row, letter] of Array.from(one).entries()) {
    const line = [row + 1];
    for (const [at, another] of Array.from(other).entries()) {
      const changed = (above[at] ?? 0) + (letter === another ? 0 : 1);
      line.push(Math.min(changed, (above[at + 1] ?? 0) + 1, (line[at] ?? 0) + 1));
    }
    above = line;
  }
  return above[other.length] ?? 0;
}

// ——— variables that several processes read ———

/** A whole number in decimal digits, bounds included: no variable takes a limit that no process could work with. */
export const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .refine(
      (text) => /^\d{1,12}$/.test(text) && Number(text) >= least && Number(text) <= most,
      `not a whole number from ${least} to ${most}`,
    )
    .transform(Number);

export const port = wholeNumber(0, 65_535);

/** Name, IPv4 address, or IPv6 address in brackets; then its port. */
const addressPattern = /^(?:\[[\da-f:.]+\]|[^\s:/@[\]]+):(\d{1,5})$/i;
const isAddress = (text: string): boolean => {
  const [, digits] = addressPattern.exec(text) ?? [];
  return digits !== undefined && Number(digits) >= 1 && Number(digits) <= 65_535;
};
export const address = z.string().refine(isAddress, 'not of the form host:port or [IPv6]:port');

/** Where to listen. An IPv6 address may stand in brackets, as it does in URLs. */
export const listenHost = z
  .string()
  .regex(/^(?:\[[\da-f:.]+\]|[^\s/@[\]]+)$/i, 'name, IPv4 address or [IPv6]')
  .transform((host) => host.replace(/^\[|\]$/g, ''));

/** Name of a cluster. It takes the place of a tenant in rows and ids, so it has the same form. */
export const clusterName = z.string().regex(tenantPattern, '1 to 16 of a-z and 0-9');

/** Whether all `%` are escapes. Otherwise a driver fails later, with an error that names no variable. */
function isDecodable(url: string): boolean {
  try {
    const { username, password, pathname } = new URL(url);
    return [username, password, pathname].map(decodeURIComponent).length > 0;
  } catch {
    return false;
  }
}
const percent = 'a % that begins no escape: write it as %25';

export const databaseUrl = z
  .url({ protocol: /^mysql$/, error: 'mysql://user:password@host:port/database', abort: true })
  .refine(isDecodable, { error: percent, abort: true })
  .refine(
    (url) => /^\/[^/]+$/.test(new URL(url).pathname),
    'names no database: mysql://user:password@host:port/database',
  );
export const redisUrl = z
  .url({ protocol: /^rediss?$/, error: 'redis://host:port', abort: true })
  .refine(isDecodable, { error: percent, abort: true })
  .refine(
    (url) => /^(?:\/\d{0,4})?$/.test(new URL(url).pathname),
    'a database is a number: redis://host:port/0',
  );

export const logLevel = z
  .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  .default('info');

/** Beside the log: a file that a process writes when it is ready for work, with its pid and its port. */
export const readyFile = z.string().min(1).optional();

/** `hotel`: `HOTEL_DATABASE_URL`; `carRental`: `CAR_RENTAL_DATABASE_URL`. */
export const databaseVariableOf = (participant: string): string =>
  `${participant.replace(/[A-Z]/g, '_$&').toUpperCase()}_DATABASE_URL`;

/** Variables for Temporal: with a key over TLS, without one in plain text; never through a proxy. */
export const temporalShape = {
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  TEMPORAL_API_KEY: z.string().min(1).optional(),
};

/** One address for each of several participants, separated by commas, in any order. */
export const databaseUrls = () =>
  listOf(
    databaseUrl.refine((url) => participantOf(url) !== undefined, {
      error: () =>
        `names the database of no participant: its name ends with one of ${application().fenced.join(', ')}`,
    }),
  ).superRefine((urls, context) => {
    for (const [at, url] of urls.entries()) {
      const first = urls.findIndex((other) => participantOf(other) === participantOf(url));
      if (first < at)
        context.addIssue({
          code: 'custom',
          path: [at],
          message: `is of the same participant as address ${first + 1}`,
        });
    }
  });

/** Several, separated by commas. */
export const listOf = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item).min(1));
