import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { checkout } from './config';
import { withLock } from './lock';
import { findFreePort, isFree } from '../../runtime/ports';
import { writeJson } from '../../runtime/whole-file';

/** Everything in one place. */
export const profiles = ['dev', 'test'] as const;
/** `regions`: a hub, two regions, and the router between all of them. */
export const stackProfiles = [...profiles, 'regions'] as const;
export type Profile = (typeof stackProfiles)[number];

export const regions = ['a', 'b'] as const;
export type Region = (typeof regions)[number];

/** Where everything is in one place. */
const plainServers = ['temporal', 'mysql', 'redis', 'kafka'] as const;
/** `mysql` is the hub's: it is in no region, and holds what must outlive each of them. */
const serversOfRegions = [
  'temporal',
  'mysql',
  'router',
  'mysql-a',
  'mysql-b',
  'redis-a',
  'redis-b',
  'kafka-a',
  'kafka-b',
  'agent-a',
  'agent-b',
] as const;
export const serverNames = [...new Set([...plainServers, ...serversOfRegions])] as const;
export type ServerName = (typeof serverNames)[number];

/** What must be there for a profile to be up: of regions none. */
export const hubOf = (profile: Profile): readonly ServerName[] =>
  profile === 'regions' ? ['temporal', 'mysql', 'router'] : plainServers;

/** What a profile consists of. */
export const serversOf = (profile: Profile): readonly ServerName[] =>
  profile === 'regions' ? serversOfRegions : plainServers;

const sources = ['environment', 'docker', 'path', 'cache'] as const;
export type Source = (typeof sources)[number];

const serverRecordSchema = z.object({
  source: z.enum(sources),
  /** What was found, for people: `MySQL 9.7.4`. */
  version: z.string(),
});
export type ServerRecord = Readonly<z.infer<typeof serverRecordSchema>>;

const stackFileSchema = z.object({
  servers: z.partialRecord(z.enum(serverNames), serverRecordSchema),
  ports: z.record(z.string(), z.number()),
});
export type StackFile = z.infer<typeof stackFileSchema>;

const secretsSchema = z.record(z.string(), z.string());

/** Everything that a profile owns: data, logs, pid files, ports, secrets. Ignored by git. */
export const folderOf = (profile: Profile): string => join(checkout, '.accord', profile);

const stackFileOf = (profile: Profile): string => join(folderOf(profile), 'stack.json');

const secretsFileOf = (profile: Profile): string => join(folderOf(profile), 'secrets.json');

// Beside the folder, not in it: `reset` removes the folder while it holds the lock.
export const lockFileOf = (profile: Profile): string =>
  join(checkout, '.accord', `${profile}.lock`);

/** Held by `npm start` as long as it runs. */
export const startLockOf = (profile: Profile): string =>
  join(checkout, '.accord', `${profile}.start.lock`);

/** Creates the profile's folder, readable by its owner alone: it holds secrets. */
export function makeFolder(profile: Profile): string {
  const folder = folderOf(profile);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** What the last `up` recorded; empty when there was none, or it was damaged: `up` finds it out anew. */
export function readStackFile(profile: Profile): StackFile {
  const found = readJson(stackFileOf(profile), stackFileSchema);
  return typeof found === 'object' ? found : { servers: {}, ports: {} };
}

export function writeStackFile(profile: Profile, file: StackFile): void {
  writeJson(stackFileOf(profile), file);
}

/**
 * A port for each name: the recorded one while it is free or `isOurs` says that we listen there
 * ourselves, else another one, recorded from now on.
 */
export async function assignPorts(
  profile: Profile,
  recorded: Readonly<Record<string, number>>,
  names: readonly string[],
  isOurs: (name: string) => boolean,
): Promise<Record<string, number>> {
  const ports: Record<string, number> = { ...recorded };
  for (const name of names) {
    const known = ports[name];
    if (known !== undefined && (isOurs(name) || (await isFree(known)))) continue;
    const taken = new Set(Object.values(ports));
    ports[name] = await findFreePort(`${checkout}/${profile}/${name}`, taken);
  }
  return ports;
}

/**
 * A secret of this profile, generated when it is first asked for and the same ever after, until
 * `reset`. Safe when several processes ask at once.
 */
export async function secret(profile: Profile, name: string): Promise<string> {
  const known = readSecrets(profile)[name];
  if (known !== undefined) return known;
  makeFolder(profile);
  return withLock(`${folderOf(profile)}.secrets.lock`, () => {
    const secrets = readSecrets(profile);
    const value = secrets[name] ?? newSecret();
    writeJson(secretsFileOf(profile), { ...secrets, [name]: value });
    return Promise.resolve(value);
  });
}

/**
 * A secret of letters, digits, `-` and `_`, so it needs no escape in URLs, SQL and configuration files. It has one
 * character of each kind, which MySQL's `validate_password` demands. It has 32 characters, the maximum for a replica.
 */
export const newSecret = (): string => `${randomBytes(21).toString('base64url')}-Aa0`;

/** @throws where the file is damaged and there are data that only its secrets open. */
export function readSecrets(profile: Profile): Readonly<Record<string, string>> {
  const file = secretsFileOf(profile);
  const found = readJson(file, secretsSchema);
  if (found === 'damaged' && existsSync(join(folderOf(profile), 'data')))
    throw new Error(
      `${file} is damaged: put a copy of it back, or give the data up with npm run stack -- reset --profile ${profile}.`,
    );
  return typeof found === 'object' ? found : {};
}

function readJson<Value extends object>(
  file: string,
  schema: z.ZodType<Value>,
): Value | 'absent' | 'damaged' {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return 'absent';
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return 'damaged';
  }
}
