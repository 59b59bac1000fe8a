import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Redis } from 'ioredis';

import { findProgram, isAtLeast, runCommand } from '../command';
import { givenAddresses } from '../config';
import { debianServers, unpackedProgram } from '../debian-packages';
import { oldestVersion, redisSettings } from '../settings';
import { within } from '../waiting';
import { portOf, type Context, type Program, type Server } from './server';

export const redis: Server = {
  name: 'redis',
  title: 'Redis',
  portNames: ['redis'],
  readyWithinMs: 30_000,
  variable: 'REDIS_URL',
  program: `redis-server ${oldestVersion.redis} or later`,
  given: () => givenAddresses().redis,
  addressOf: (context) =>
    `redis://:${context.passwords.redis}@127.0.0.1:${portOf(context, 'redis')}`,
  findOnPath: () => {
    const file = findProgram('redis-server');
    if (file === undefined) throw new Error('redis-server is not on PATH');
    return redisProgram({ file, args: [] });
  },
  fetch: async (progress) =>
    redisProgram(await unpackedProgram(await debianServers(progress), 'bin/redis-server')),
  prepare: (context) => {
    mkdirSync(join(context.folder, 'data', 'redis'), { recursive: true });
    // A file instead of arguments: those can be read by every user of the machine.
    writeFileSync(configurationFile(context), configuration(context), { mode: 0o600 });
    return Promise.resolve();
  },
  launch: (context) => ({ args: [configurationFile(context)] }),
  check: (address) => within(5_000, 'Redis', check(address)),
};

const configurationFile = ({ folder }: Context): string => join(folder, 'redis.conf');

function configuration(context: Context): string {
  const directives = {
    bind: '127.0.0.1',
    port: String(portOf(context, 'redis')),
    dir: `"${join(context.folder, 'data', 'redis')}"`,
    requirepass: context.passwords.redis,
    daemonize: 'no',
    ...redisSettings,
  };
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

async function check(address: string): Promise<void> {
  const client = new Redis(address, {
    lazyConnect: true,
    connectTimeout: 3_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null, // One try: who waits for readiness tries again.
  });
  client.on('error', () => undefined); // The rejected promise below says it.
  try {
    await client.connect();
    await client.set('accord:stack-check', '1', 'EX', 60);
  } finally {
    client.disconnect();
  }
}
