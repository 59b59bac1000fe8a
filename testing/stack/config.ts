import { homedir } from 'node:os';
import { join } from 'node:path';

/** The checkout that this file belongs to: its profiles live in `.accord/`, its recipes beside this file. */
export const checkout = join(__dirname, '..', '..');

/** Addresses of servers that this stack does not run. An empty variable counts as absent. */
export interface GivenAddresses {
  readonly temporal: string | undefined;
  readonly mysql: string | undefined;
  readonly redis: string | undefined;
  readonly kafka: string | undefined;
}

export function givenAddresses(): GivenAddresses {
  return {
    temporal: variable('TEMPORAL_ADDRESS'),
    mysql: variable('MYSQL_URL'),
    redis: variable('REDIS_URL'),
    kafka: variable('KAFKA_BROKERS'),
  };
}

/** Namespace, API key (which implies TLS) and UI address of the given Temporal service. */
export function givenTemporal() {
  return {
    namespace: variable('TEMPORAL_NAMESPACE'),
    apiKey: variable('TEMPORAL_API_KEY'),
    uiUrl: variable('TEMPORAL_UI_URL'),
  };
}

export const givenTopicPrefix = (): string => variable('KAFKA_TOPIC_PREFIX') ?? '';

export const kafkaHome = (): string | undefined => variable('KAFKA_HOME');

export const javaHome = (): string | undefined => variable('JAVA_HOME');

export const searchPath = (): string => variable('PATH') ?? '';

/** Where fetched and built programs stand, shared by all checkouts of this user. */
export const cacheFolder = (): string =>
  join(variable('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'accord');

/** This process's environment and what is added to it, for a child. */
export const environmentWith = (more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...process.env,
  ...more,
});

/** An environment variable for a child, unless the user has set it. */
export const unlessSet = (name: string, value: string): Readonly<Record<string, string>> =>
  variable(name) === undefined ? { [name]: value } : {};

/** Whether the terminal may show colours (https://no-color.org). */
export const areColoursWanted = (): boolean =>
  variable('NO_COLOR') === undefined && variable('TERM') !== 'dumb';

/** Updating lines are for people: not in CI, not in a file. */
export const isInteractive = (): boolean =>
  process.stderr.isTTY && variable('CI') === undefined && variable('TERM') !== 'dumb';

/** An empty one counts as absent. */
export const givenVariable = (name: string): string | undefined => variable(name);

function variable(name: string): string | undefined {
  const value = process.env[name];
  return value === undefined || value === '' ? undefined : value;
}
