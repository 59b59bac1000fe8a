import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { findProgram, isAtLeast, runCommand } from '../command';
import { givenAddresses } from '../config';
import { debianServers, unpackedProgram } from '../debian-packages';
import type { Region, ServerName } from '../profile';
import { oldestVersion, redisRegionSettings, redisSettings } from '../settings';
import { withRedis } from '../../../runtime/redis';
import { within } from '../../../runtime/waiting';
import { portOf, type Context, type Program, type Server } from './server';

/** One try: who waits for readiness tries again. */
const limits = { connectMs: 3_000 } as const;

type RedisName = Extract<ServerName, `redis${string}`>;

/** @param settings beside those that every Redis of ours has. */
const redisServer = (
  name: RedisName,
  title: string,
  check: (address: string) => Promise<void>,
  settings: Readonly<Record<string, string>> = {},
): Omit<Server, 'variable' | 'given' | 'isInCompose'> => ({
  name,
  title,
  portNames: [name],
  readyWithinMs: 30_000,
  program: `redis-server ${oldestVersion.redis} or later`,
  addressOf: (context) => `redis://:${context.passwords.redis}@127.0.0.1:${portOf(context, name)}`,
  findOnPath: () => {
    const file = findProgram('redis-server');
    if (file === undefined) throw new Error('redis-server is not on PATH');
    return redisProgram({ file, args: [] });
  },
  fetch: async (progress) =>
    redisProgram(await unpackedProgram(await debianServers(progress), 'bin/redis-server')),
  prepare: (context) => {
    mkdirSync(join(context.folder, dataName(name)), { recursive: true });
    // A file instead of arguments: those can be read by every user of the machine.
    const text = configuration({ ...directivesOf(name, context), ...settings });
    writeFileSync(configurationFile(name, context), text, { mode: 0o600 });
    return Promise.resolve();
  },
  // Redis takes the whole path of a file that it is named for a pattern: in a folder named `[x]` it would find none.
  launch: (context) => ({ args: ['-'], input: configurationFile(name, context) }),
  check: (address) => within(5_000, title, check(address)),
});

export const redis: Server = {
  ...redisServer('redis', 'Redis', writes),
  variable: 'REDIS_URL',
  isInCompose: true,
  given: () => givenAddresses().redis,
};

/** A replica refuses writes, and so does a primary that has lost its own. */
const redisOf = (region: Region): Server => ({
  ...redisServer(`redis-${region}`, `Redis of region ${region}`, answers, redisRegionSettings),
  isInCompose: false,
  given: () => undefined,
});
export const regionalRedis = [redisOf('a'), redisOf('b')];

/**
 * From the profile's folder, where Redis is started: a path may hold what its configuration reads as something else.
 */
const dataName = (name: RedisName): string => `data/${name}`;
const configurationFile = (name: RedisName, { folder }: Context): string =>
  join(folder, `${name}.conf`);

const directivesOf = (name: RedisName, context: Context): Readonly<Record<string, string>> => ({
  bind: '127.0.0.1',
  port: String(portOf(context, name)),
  dir: dataName(name),
  requirepass: context.passwords.redis,
  masterauth: context.passwords.redis, // The password of its primary: one password in all regions.
  daemonize: 'no',
  'set-proc-title': 'no', // A title is written over the environment, which says whose process it is.
  ...redisSettings,
});

function configuration(directives: Readonly<Record<string, string>>): string {
  return Object.entries(directives)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

async function redisProgram(found: {
  readonly file: string;
  readonly args: readonly string[];
}): Promise<Program> {
  const { file, args } = found;
  const answer = await runCommand(file, [...args, '--version'], { timeoutMs: 20_000 });
  const version = /v=(\d+\.\d+\.\d+)/.exec(answer)?.[1] ?? 'unknown';
  if (!isAtLeast(version, oldestVersion.redis))
    throw new Error(`${file} is ${version}, older than ${oldestVersion.redis}`);
  return { file, args, version: `Redis ${version}` };
}

async function writes(address: string): Promise<void> {
  await withRedis(address, limits, (client) => client.set('accord:stack-check', '1', 'EX', 60));
}

async function answers(address: string): Promise<void> {
  await withRedis(address, limits, (client) => client.ping());
}
