/**
 * Premises of Redis: it runs scripts, and evicts no keys. Redis is optional, so a Redis that breaks one is not used, as
 * during an outage. But a Redis of another installation is refused.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { Redis } from 'ioredis';

import { claimedByAnother, type Installation } from './installation';
import type { BrokenPremise, PremiseSource } from './premises';

/** Under the client's key prefix. */
export const registrationKey = 'accord:installation';
/** An installation that has not run for this time loses its registration. */
const registrationSeconds = 24 * 3_600;
/** As the stack's own, on which every test runs. */
const oldestMajor = 7;

/** Under the client's key prefix. No code reads it. */
const trialKey = 'accord:trial';

/**
 * Runs once each command that Accord's scripts are made of: a user may run scripts, and yet not what they call.
 * Answers the error of each that failed, behind its name. The key is a text that expires: where hashes may be written,
 * they meet the wrong type, and leave nothing.
 */
const trialScript = `
local failed = {}
local function try(name, ...)
  local answer = redis.pcall(name, ...)
  if type(answer) == 'table' and answer.err then failed[#failed + 1] = name .. ' ' .. answer.err end
end
try('SET', KEYS[1], '1', 'PX', 1000)
try('GET', KEYS[1])
try('TIME')
try('PTTL', KEYS[1])
try('EXISTS', KEYS[1])
try('HSET', KEYS[1], 'state', '1')
try('HGET', KEYS[1], 'state')
try('HMGET', KEYS[1], 'state')
try('HINCRBY', KEYS[1], 'left', 1)
try('PEXPIRE', KEYS[1], 1000)
try('EXPIRE', KEYS[1], 1)
try('DEL', KEYS[1])
return failed
`;

/** Time for a new client to connect, also on a busy machine. */
const connectMs = 3_000;
const connectLookMs = 20;

/** The commands that locks, allowances and limits use. */
export type RedisCommands = Pick<Redis, 'eval' | 'hmget'>;

export interface GuardedRedis {
  /** Refuses every command, as an outage would, until the server is known to hold its premises. */
  readonly commands: RedisCommands;
  readonly premises: PremiseSource;
  /** Broken premises by the last check. */
  broken(): readonly BrokenPremise[];
}

const unusable = (): Error => new Error('Redis does not hold its premises: it is not used.');

/** After each reconnection the server may be another one, so it is checked before its first command. */
export function guardRedis(redis: Redis): GuardedRedis {
  let broken: readonly BrokenPremise[] | undefined;
  const ask = async (): Promise<readonly BrokenPremise[]> => {
    broken = await brokenPremises(redis);
    return broken;
  };
  redis.on('close', () => (broken = undefined));
  redis.on('ready', () => void ask().catch(() => undefined)); // Asked again with every command below.
  let asking: Promise<unknown> | undefined;
  const demand = async (): Promise<void> => {
    if (broken === undefined) {
      asking ??= ask().finally(() => (asking = undefined));
      await asking;
    }
    if (broken === undefined || broken.length > 0) throw unusable();
  };
  const guarded = <Name extends keyof RedisCommands>(name: Name): RedisCommands[Name] => {
    const call = async (...args: readonly unknown[]): Promise<unknown> => {
      if (broken === undefined || broken.length > 0) await demand();
      return (redis[name] as (...given: readonly unknown[]) => Promise<unknown>)(...args);
    };
    return call as RedisCommands[Name]; // The overloads of the command itself.
  };
  return {
    commands: { eval: guarded('eval'), hmget: guarded('hmget') },
    premises: {
      server: 'redis',
      isOptional: true,
      ask: async () => {
        await connected(redis);
        return ask();
      },
    },
    broken: () => broken ?? [],
  };
}

/** Gives a new client time to connect. @throws if it does not connect. */
async function connected(redis: Redis): Promise<void> {
  for (let waitedMs = 0; redis.status !== 'ready'; waitedMs += connectLookMs) {
    if (waitedMs >= connectMs) throw new Error('Redis is away.');
    await delay(connectLookMs);
  }
}

async function brokenPremises(redis: Redis): Promise<readonly BrokenPremise[]> {
  const info = await answerOf(() => redis.info());
  const version = valueOf(info.text, 'redis_version') ?? 'unknown';
  const broken = (
    setting: string,
    found: string,
    wanted: string,
    remedy: string,
  ): BrokenPremise => ({
    ...{ product: 'Redis', version, isRequired: false, setting, found, wanted, remedy },
  });
  if (info.refusal !== undefined)
    return [broken('INFO', info.refusal, 'allowed', 'Give the user of REDIS_URL the right +info.')];
  const policy = valueOf(info.text, 'maxmemory_policy') ?? 'unknown';
  const script = await answerOf(() => redis.eval(trialScript, 1, trialKey).then(linesOf));
  const refused = forbiddenOf(script.text);
  return [
    ...(Number.parseInt(version, 10) >= oldestMajor
      ? []
      : [
          broken(
            'version',
            version,
            `${oldestMajor}.0 or later`,
            'Upgrade it, or set REDIS_URL to another.',
          ),
        ]),
    ...(policy === 'noeviction'
      ? []
      : [
          broken(
            'maxmemory-policy',
            policy,
            'noeviction',
            'Set it: an evicted lock would be held twice.',
          ),
        ]),
    ...(script.refusal === undefined
      ? []
      : [
          broken(
            'EVAL',
            script.refusal,
            'allowed',
            'Give the user of REDIS_URL the right +eval and the keys of its prefix, and do not rename it.',
          ),
        ]),
    ...(refused.length === 0
      ? []
      : [
          broken(
            'commands of scripts',
            `${refused.join(', ')} refused`,
            'allowed',
            `Give the user of REDIS_URL the rights ${refused.map((name) => `+${name.toLowerCase()}`).join(' ')}, and do not rename them.`,
          ),
        ]),
  ];
}

const linesOf = (answer: unknown): string => (Array.isArray(answer) ? answer.join('\n') : '');

/** Forbidden commands. Other failures, such as READONLY, are the state of the server: each command reports them. */
const forbiddenOf = (failures: string): readonly string[] =>
  failures
    .split('\n')
    .filter((failure) => forbidden.test(failure))
    .map((failure) => failure.replace(/ .*/s, ''));

/** @throws without an answer. */
async function answerOf(
  command: () => Promise<string>,
): Promise<{ readonly text: string; readonly refusal?: string }> {
  try {
    return { text: await command() };
  } catch (error) {
    if (isReply(error) && isForbidden(error)) return { text: '', refusal: 'refused' };
    throw error;
  }
}

/**
 * An error that Redis answered with because of what we sent. Other answers are its own state (LOADING, READONLY, OOM …)
 * or its administrator's will, such as a command that is forbidden.
 */
export const isOurMistake = (error: unknown): boolean =>
  isReply(error) && !isForbidden(error) && /^(ERR|WRONGTYPE)\b/.test(error.message);

/** Errors about forbidden commands, of the caller or of its script. */
const forbidden =
  /NOPERM|ACL failure in script|ERR unknown command|ERR unknown Redis command called from script/i;
const isForbidden = ({ message }: Error): boolean => forbidden.test(message);

const isReply = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplyError';

/** Value of a line `name:value`. */
const valueOf = (info: string, name: string): string | undefined =>
  new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];

/** Checks that this installation owns the keys of this Redis under this prefix. */
export const redisRegistration = (
  redis: Redis,
  installation: Pick<Installation, 'id'>,
): PremiseSource => ({
  server: 'redis installation',
  isOptional: true,
  async ask() {
    const id = await installation.id();
    await connected(redis);
    const claim = (): Promise<string> => claimRedis(redis, id);
    return claimedByAnother(
      {
        ...{ product: 'Redis', version: 'any' },
        what: `keys ${redis.options.keyPrefix ?? ''}*`,
        owner: await claim().catch(claim), // The first answer may be late if everything starts at the same time.
        instead: 'Set REDIS_URL to another database, or give it ?keyPrefix=….',
      },
      id,
    );
  },
});

/**
 * Exactly one of several concurrent claims succeeds. @returns the id of the owner. @throws where Redis does not answer.
 */
export async function claimRedis(redis: Redis, id: string): Promise<string> {
  const isFresh = await redis.set(registrationKey, id, 'EX', registrationSeconds, 'NX');
  if (isFresh === 'OK') return id;
  const owner = await redis.get(registrationKey);
  if (owner === null) throw new Error('The registration in Redis has just run out.');
  if (owner === id) await redis.expire(registrationKey, registrationSeconds);
  return owner;
}
