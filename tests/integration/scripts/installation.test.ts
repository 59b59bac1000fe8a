import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from '@temporalio/client';
import { Redis } from 'ioredis';

import { transactionsTaskQueue } from '../../../contracts/engine/task-queues';
import { claimRedis } from '../../../runtime/redis-premises';
import { claimNamespace } from '../../../runtime/temporal-premises';
import {
  createApplication,
  programArguments,
  type Application,
  type Role,
  type Variables,
} from '../../../testing/environment/application';
import { build } from '../../../testing/environment/build';
import { openInvariants } from '../../../testing/verify/verification';
import { databases, shopDatabases } from '../../../runtime/databases/shop';
import { provision } from '../../../runtime/databases/provision';
import { environmentWith } from '../../../testing/stack/config';
import { freePort } from '../../../runtime/ports';
import {
  openNamespace,
  type OwnNamespace,
} from '../../../testing/environment/isolated-environment';
import { claimTopics, withAdmin } from '../../../runtime/kafka/premises';
import { ownDatabases, type OwnDatabases } from '../../support/databases';
import { ownKafka, type OwnKafka } from '../../support/kafka';
import { testStack } from '../../support/stack';

/** What a process needs to read to belong to an installation. */
interface Installed {
  readonly databases: OwnDatabases;
  readonly kafka: OwnKafka;
  readonly namespace: OwnNamespace;
  readonly application: Application;
}

async function install(): Promise<Installed> {
  const stack = await testStack();
  const name = `install-${randomBytes(4).toString('hex')}`;
  const [own, kafka, namespace, apiPort] = await Promise.all([
    ownDatabases(databases),
    ownKafka(),
    openNamespace(stack.temporal.address, name),
    freePort(),
  ]);
  const application = createApplication({
    stack,
    namespace: name,
    urls: own.urls,
    topicPrefix: kafka.settings.topicPrefix,
    label: `${name}-`,
    apiPort,
    apiSecret: randomBytes(24).toString('base64url'),
  });
  return { databases: own, kafka, namespace, application };
}

const uninstall = ({ databases: own, kafka, namespace }: Installed) =>
  Promise.all([own.drop(), kafka.drop(), namespace.drop()]);

/** Runs a process until it ends. One that goes on is no refusal. */
function run(
  role: Role,
  variables: Variables,
): Promise<{ readonly code: number | null; readonly said: string; readonly pid: number }> {
  const child = spawn(process.execPath, programArguments(role), {
    env: environmentWith(variables),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => (said += text.toString()));
  const giveUp = setTimeout(() => child.kill('SIGKILL'), 45_000);
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(giveUp);
      resolve({ code, said, pid: child.pid ?? 0 });
    });
  });
}

const anId = (): string => randomBytes(8).toString('hex').slice(0, 15);

describe('two installations on the same servers', () => {
  let first: Installed;
  let second: Installed;

  beforeAll(async () => {
    [first, second] = await Promise.all([install(), install(), build()]);
    await Promise.all([
      first.application.start('worker'),
      first.application.start('relay'),
      first.application.start('api'),
    ]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(['worker', 'relay', 'api'].map((name) => first.application.stop(name)));
    await Promise.all([uninstall(first), uninstall(second)]);
  }, 60_000);

  /** The second installation, with something of the first one. */
  const sharing = (...names: readonly string[]): Variables => ({
    ...second.application.environment,
    ...Object.fromEntries(names.map((name) => [name, first.application.environment[name] ?? ''])),
  });

  it('refuses a worker with one database of the other before it polls or registers', async () => {
    const { code, said, pid } = await run('worker', sharing('ACCOUNTS_DATABASE_URL'));
    expect(code).toBe(1);
    expect(said).toContain(`${first.databases.prefix}accounts: installation is`);
    const { pollers } = await second.namespace.connection.workflowService.describeTaskQueue({
      namespace: second.namespace.name,
      taskQueue: { name: transactionsTaskQueue },
    });
    expect(pollers.filter(({ identity }) => identity?.startsWith(`${pid}@`))).toEqual([]);
    const { schedules } = await second.namespace.connection.workflowService.listSchedules({
      namespace: second.namespace.name,
    });
    expect(schedules).toEqual([]);
  }, 60_000);

  const refusals: readonly (readonly [Role, string])[] = [
    ['worker', 'TEMPORAL_NAMESPACE'],
    ['api', 'TEMPORAL_NAMESPACE'],
    ['worker', 'REDIS_URL'],
    ['relay', 'KAFKA_TOPIC_PREFIX'],
    ['consumer', 'KAFKA_TOPIC_PREFIX'],
  ];
  for (const [role, name] of refusals) {
    it(`refuses the second one's ${role} that shares ${name}, and says what to set`, async () => {
      const { code, said } = await run(role, sharing(name));
      expect({ code, said }).toEqual({ code: 1, said: expect.stringContaining(`Set ${name} to`) });
    }, 60_000);
  }

  /** Each is the only address of the other installation that its process was given. */
  const strangers: readonly (readonly [Role, string, string])[] = [
    ['api', 'API_BOOKS_DATABASE_URLS', 'accounts'],
    ['failover', 'WATCH_DATABASE_URL', 'orders'],
  ];
  for (const [role, name, database] of strangers) {
    it(`refuses the second one's ${role} whose ${name} leads into the other's database`, async () => {
      const failover = { ROUTER_ADDRESS: '127.0.0.1:1', REGIONS: '{}', REGION_DATABASES: 'none' };
      const { code, said } = await run(role, { ...sharing(name), ...failover });
      const refusal = `${first.databases.prefix}${database}: installation is`;
      expect({ code, said }).toEqual({ code: 1, said: expect.stringContaining(refusal) });
    }, 60_000);
  }

  /** Addresses of one installation, in each other's place: every database bears the right id. */
  const exchanges: readonly (readonly [Role, string, string, string, string])[] = [
    ['worker', 'ORDERS_DATABASE_URL', 'COUPONS_DATABASE_URL', 'coupons', 'orders'],
    ['worker', 'ACCORD_DATABASE_URL', 'ACCOUNTS_DATABASE_URL', 'accounts', 'accord'],
    ['api', 'API_ORDERS_DATABASE_URL', 'API_INVENTORY_DATABASE_URL', 'inventory', 'orders'],
    ['api', 'API_COUPONS_DATABASE_URL', 'API_ORDERS_DATABASE_URL', 'orders', 'coupons'],
    ['consumer', 'CONSUMER_DATABASE_URL', 'INVENTORY_DATABASE_URL', 'inventory', 'orders'],
  ];
  for (const [role, name, other, found, wanted] of exchanges) {
    it(`refuses the ${role} whose ${name} is that of ${found} in the same installation`, async () => {
      const own = second.application.environment;
      const exchanged = { [name]: own[other] ?? '', [other]: own[name] ?? '' };
      const { code, said } = await run(role, { ...own, ...exchanged });
      const refusal = `${second.databases.prefix}${found}: participant is ${found}, wanted ${wanted}.`;
      expect({ code, said }).toEqual({ code: 1, said: expect.stringContaining(refusal) });
    }, 60_000);
  }

  it('compares no books of both, nor with the namespace of the other one', async () => {
    const [accounts = ''] = first.databases.urls.VERIFY_DATABASE_URLS.split(',').filter((url) =>
      url.endsWith('accounts'),
    );
    const own = second.databases.urls.VERIFY_DATABASE_URLS;
    const mixed = own.replace(/[^,]*accounts/, accounts);
    const { connection, name } = first.namespace;
    for (const [addresses, refusal] of [
      [{ verifyUrls: mixed }, `${first.databases.prefix}accounts: installation is`],
      [
        { verifyUrls: own, temporal: new Client({ connection, namespace: name }) },
        `installation of namespace ${name} is`,
      ],
    ] as const) {
      const books = openInvariants(addresses);
      try {
        await expect(books.demandOneInstallation()).rejects.toThrow(refusal);
      } finally {
        await books.close();
      }
    }
  }, 60_000);

  it('refuses every process of an unknown cluster by name', async () => {
    const lost = { ...second.application.environment, ACCORD_CLUSTER: 'mian' };
    const [worker, api] = await Promise.all([run('worker', lost), run('api', lost)]);
    const said = expect.stringContaining('ACCORD_CLUSTER is mian, wanted main.');
    expect([worker, api]).toMatchObject([
      { code: 1, said },
      { code: 1, said },
    ]);
  }, 60_000);

  it('refuses to migrate a database that belongs to the other one', async () => {
    const { mysql } = await testStack();
    const own = await ownDatabases(databases);
    try {
      const admin = own.pool(own.adminUrl('orders'));
      await admin.change(`UPDATE installation SET id = 'another'`);
      const again = provision(mysql.adminUrl, {
        ...shopDatabases,
        ...{ prefix: own.prefix, secret: () => 'same', rotates: true },
      });
      await expect(again).rejects.toThrow(
        `The database ${own.prefix}orders belongs to the installation another`,
      );
    } finally {
      await own.drop();
    }
  }, 60_000);

  it('goes on beside the other one with a namespace, keys and topics of its own', async () => {
    await second.application.start('worker');
    expect(second.application.process('worker')).toBeDefined();
    await second.application.stop('worker');
  }, 60_000);
});

describe('several first starts at once', () => {
  it('end with one owner of the namespace, of the keys and of the topics', async () => {
    const stack = await testStack();
    const kafka = await ownKafka();
    const namespace = await openNamespace(stack.temporal.address, `race-${anId()}`);
    const redis = new Redis(stack.redis.url, { keyPrefix: `race-${anId()}:` });
    try {
      const client = new Client({
        connection: namespace.connection,
        namespace: namespace.name,
      });
      const ids = Array.from({ length: 8 }, anId);
      const claims = {
        namespace: await Promise.all(ids.map((id) => claimNamespace(client, id))),
        keys: await Promise.all(ids.map((id) => claimRedis(redis, id))),
        topics: await withAdmin(kafka.kafka, (admin) =>
          Promise.all(ids.map((id) => claimTopics(admin, kafka.settings.topicPrefix, id))),
        ),
      };
      for (const owners of Object.values(claims)) {
        expect(new Set(owners).size).toBe(1);
        expect(ids).toContain(owners[0]);
      }
      const [owner] = claims.namespace;
      expect(await claimNamespace(client, anId())).toBe(owner); // Also later.
    } finally {
      redis.disconnect();
      await Promise.all([kafka.drop(), namespace.drop()]);
    }
  }, 60_000);
});
