/**
 * npm run installation: to whom databases, Temporal namespace, Redis keys and Kafka topics belong, and the two changes
 * of it that a person may make. The addresses are those of a profile, or of MYSQL_URL, TEMPORAL_ADDRESS, REDIS_URL and
 * KAFKA_BROKERS; TEMPORAL_NAMESPACE and KAFKA_TOPIC_PREFIX as the processes have them.
 */
import { randomBytes } from 'node:crypto';

import { Client } from '@temporalio/client';
import { Command, Option } from 'commander';

import { createLogger } from '../runtime/logger';
import { openConnection } from '../runtime/mysql/door';
import { withRedis } from '../runtime/redis';
import { claimRedis, registrationKey } from '../runtime/redis-premises';
import { claimNamespace, registrationId } from '../runtime/temporal-premises';
import { createKafka } from '../runtime/kafka/client';
import { claimTopics, registrationTopicOf, withAdmin } from '../runtime/kafka/premises';
import {
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommand,
  tableOf,
  type JsonTarget,
} from './report';
import { installationAt } from '../runtime/databases/installation-mark';
import { databasePrefix } from '../runtime/databases/names';
import { databases } from '../runtime/databases/shop';
import { givenAddresses, givenTemporal, givenTopicPrefix } from '../testing/stack/config';
import { profiles, type Profile } from '../testing/stack/profile';
import { readStack } from '../testing/stack/stack';
import { connectTemporal } from '../testing/stack/temporal-client';

interface Options {
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

/** A place that bears a registration. */
interface Registry {
  readonly what: string;
  /** Registers the id if there is no owner. @returns the owner. */
  claim(id: string): Promise<string>;
  /** Takes the registration away. */
  release(): Promise<unknown>;
}

async function adminUrlOf(profile: Profile): Promise<string> {
  const adminUrl = givenAddresses().mysql ?? (await readStack(profile))?.mysql.adminUrl;
  if (adminUrl === undefined)
    throw new Error('No MySQL is configured: set MYSQL_URL, or bring a profile up.');
  return adminUrl;
}

/** Opens every registry for as long as `work` takes. */
const redisLimits = { connectMs: 5_000 } as const;

async function withRegistries<Result>(
  profile: Profile,
  work: (registries: readonly Registry[]) => Promise<Result>,
): Promise<Result> {
  const stack = await readStack(profile);
  const given = givenAddresses();
  const address = given.temporal ?? stack?.temporal.address;
  const redisUrl = given.redis ?? stack?.redis.url;
  const brokers = given.kafka?.split(',') ?? stack?.kafka.brokers;
  if (address === undefined || redisUrl === undefined || brokers === undefined)
    throw new Error('Set TEMPORAL_ADDRESS, REDIS_URL and KAFKA_BROKERS, or bring a profile up.');
  const { namespace = stack?.temporal.namespace ?? 'default' } = givenTemporal();
  const connection = await connectTemporal(address);
  const topicPrefix = givenTopicPrefix();
  const logger = createLogger({ process: 'installation', level: 'silent' });
  const kafka = createKafka({ brokers, topicPrefix }, { clientId: 'installation', logger });
  const client = new Client({ connection, namespace });
  try {
    return await work([
      {
        what: `Temporal namespace ${namespace}`,
        claim: (id) => claimNamespace(client, id),
        release: () => client.schedule.getHandle(registrationId).delete(),
      },
      {
        what: 'Redis keys',
        claim: (id) => withRedis(redisUrl, redisLimits, (redis) => claimRedis(redis, id)),
        release: () => withRedis(redisUrl, redisLimits, (redis) => redis.del(registrationKey)),
      },
      {
        what: `Kafka topics ${topicPrefix}*`,
        claim: (id) => withAdmin(kafka, (admin) => claimTopics(admin, topicPrefix, id)),
        release: () =>
          withAdmin(kafka, (admin) =>
            admin.deleteTopics({ topics: [registrationTopicOf(topicPrefix)] }),
          ),
      },
    ]);
  } finally {
    await connection.close();
  }
}

const ownId = async (profile: Profile): Promise<string> =>
  installationAt(await adminUrlOf(profile), `${databasePrefix}accord`);

/** What became of one place. */
interface Claim {
  readonly what: string;
  /** Now. */
  readonly owner: string;
  /** Before, where it was taken over. */
  readonly was: string | null;
}

async function claim({ profile, from, json }: Options & { readonly from?: string }): Promise<void> {
  reportTo(json);
  const id = await ownId(profile);
  const claims = await withRegistries(profile, async (registries) => {
    const made: Claim[] = [];
    for (const registry of registries) made.push(await claimOne(registry, id, from));
    return made;
  });
  const rows = claims.map(({ what, owner, was }) => [what, owner, was ?? '–']);
  print(tableOf(['what', 'of', 'was of'], rows));
  const strange = claims.filter(({ owner }) => owner !== id);
  const isOurs = strange.length === 0;
  const sentence = isOurs
    ? `All of it belongs to this installation, ${id}.`
    : `This installation is ${id}, and ${strange.length} of these belong to another one: nothing of them is changed.`;
  conclude(json, { installation: id, claims }, { ok: isOurs, sentence });
  if (!isOurs) process.exitCode = 1;
}

async function claimOne(registry: Registry, id: string, from: string | undefined): Promise<Claim> {
  const { what } = registry;
  const owner = await registry.claim(id);
  if (owner === id || owner !== from) return { what, owner, was: null };
  await registry.release();
  return { what, owner: await claimAgain(registry, id), was: from };
}

/** What was released may be seen a moment longer. */
async function claimAgain(registry: Registry, id: string): Promise<string> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    const owner = await registry.claim(id).catch((error: unknown) => {
      if (triesLeft === 0) throw error;
      return undefined;
    });
    if (owner === id || (owner !== undefined && triesLeft === 0)) return owner;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function renew({ profile, json }: Options): Promise<void> {
  reportTo(json);
  const adminUrl = await adminUrlOf(profile);
  const before = await ownId(profile);
  const id = randomBytes(8).toString('hex').slice(0, 15);
  const admin = await openConnection({ url: adminUrl });
  try {
    for (const database of databases)
      await admin.query(
        `INSERT INTO \`${databasePrefix}${database}\`.installation (one, id, created_at)
           VALUES (1, ?, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE id = VALUES(id), created_at = VALUES(created_at)`,
        [id],
      );
  } finally {
    await admin.end();
  }
  const sentence = `These databases were of ${before}, and are of ${id} now: restart every process.`;
  conclude(json, { installation: id, was: before }, { ok: true, sentence });
}

const profileOption = (): Option =>
  new Option('-p, --profile <name>', 'profile of the servers').choices(profiles).default('dev');
const program = new Command('installation').description(
  'Shows and registers the owner of databases, namespace, keys and topics.',
);
program
  .command('claim', { isDefault: true })
  .description('show the owner of each, and register this installation where there is none')
  .addOption(profileOption())
  .addOption(jsonOption())
  .option('--from <id>', 'take over from this installation, which must be gone for good')
  .action(claim);
program
  .command('renew')
  .description('make a copy of an installation a separate one; stop every process first')
  .addOption(profileOption())
  .addOption(jsonOption())
  .action(renew);
runCommand(program);
