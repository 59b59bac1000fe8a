import { readFileSync } from 'node:fs';

import { z } from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment does not describe a process that can run; names every variable that is wrong, never its value. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/**
 * All variables of a shape, each from its own name or from the file that `<NAME>_FILE` points to. An empty variable is
 * an unset one: that is what a template leaves behind.
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
  throw new ConfigurationError(
    ['The configuration is wrong:', ...problems, ...wrong.map(describe)].join('\n  '),
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

/** Name and reason; zod's own messages may quote the value, which may be a secret. */
const describe = ({ path, code, message }: z.core.$ZodIssue): string =>
  `${String(path[0])}: ${code === 'invalid_format' ? `not of the form ${message}` : message}`;

// ——— variables that several processes read ———

export const databaseUrl = z.url({
  protocol: /^mysql$/,
  error: 'mysql://user:password@host:port/database',
});
export const redisUrl = z.url({ protocol: /^rediss?$/, error: 'redis://host:port' });

export const faultsShape = {
  NODE_ENV: z.string().default(''),
  /** Fault points to arm, for drills: processes/fault-points.ts has the grammar. */
  FAULTS: z.string().default(''),
  FAULT_SEED: z.coerce.number().int().default(1),
  /** A folder: faults that wait for one transaction strike once among all processes that share it. */
  FAULT_MARKS: z.string().min(1).optional(),
  /** Production runs no FAULTS unless this says so. */
  ALLOW_FAULTS: z.enum(['0', '1']).default('0'),
};

export interface FaultsConfig {
  readonly text: string;
  readonly seed: number;
  readonly marks: string | undefined;
}

/** What is armed, and with which seed. @throws ConfigurationError in production without ALLOW_FAULTS=1. */
export function faultsOf(value: z.output<z.ZodObject<typeof faultsShape>>): FaultsConfig {
  if (value.FAULTS !== '' && value.NODE_ENV === 'production' && value.ALLOW_FAULTS === '0') {
    throw new ConfigurationError('FAULTS is set in production: remove it, or set ALLOW_FAULTS=1.');
  }
  return { text: value.FAULTS, seed: value.FAULT_SEED, marks: value.FAULT_MARKS };
}

/** Several, separated by commas. */
export const listOf = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(item).min(1));
