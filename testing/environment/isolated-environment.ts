/**
 * The application of one isolated environment: processes from `dist/` as production runs them, on shared servers. Its
 * databases, users, namespace, topics and keys are its own. What it breaks is its own, and is removed with it.
 */
import { randomBytes } from 'node:crypto';

import { Client, type Connection } from '@temporalio/client';

import { searchAttributeTypes } from '../../contracts/engine/search-attributes';
import { createLogger } from '../../runtime/logger';
import { bytesAsText, openSessions, type SessionPool } from '../../runtime/mysql/door';
import { administration } from '../../runtime/mysql/session';
import { createKafka } from '../../runtime/kafka/client';
import {
  allowFaults,
  createApplication,
  type Application,
  type ApplicationSite,
} from './application';
import { type Database, type DatabaseUrls, shopDatabases } from '../../runtime/databases/shop';
import { provision, unprovision } from '../../runtime/databases/provision';
import { freePort } from '../../runtime/ports';
import { connectTemporal } from '../stack/temporal-client';
import { pause } from '../../runtime/waiting';
import type { Stack } from '../stack/stack';

export interface IsolatedEnvironment {
  readonly name: string;
  /** Straight to the servers, whatever the application's processes use. */
  readonly urls: DatabaseUrls;
  readonly application: Application;
  readonly temporal: Client;
  readonly topicPrefix: string;
  /** Address of one of the databases, for the administrator. */
  adminUrl(database: Database): string;
  /** Rows as the administrator reads them, on a connection that outlives a restart of the server. Bytes are text. */
  sql<Row extends object>(
    database: Database,
    statement: string,
    values?: readonly unknown[],
  ): Promise<Row[]>;
  /**
   * Ends what was opened, and drops databases, users, namespace and topics. The processes are stopped by the caller.
   */
  close(): Promise<void>;
}

export interface IsolatedEnvironmentOptions {
  readonly stack: Stack;
  /** Begins its name: lower-case letters, at most eight. */
  readonly kind: string;
  /** Addresses of a proxy that the processes get instead of the true ones. */
  readonly through?: (addresses: {
    readonly urls: DatabaseUrls;
    readonly stack: Stack;
  }) => Promise<{ readonly urls: DatabaseUrls; readonly stack: Stack }>;
  /** Whatever else the site of its application has. */
  readonly site?: Partial<ApplicationSite>;
}

export async function openIsolatedEnvironment({
  stack,
  kind,
  through,
  site,
}: IsolatedEnvironmentOptions): Promise<IsolatedEnvironment> {
  const id = randomBytes(4).toString('hex');
  const name = `${kind}-${id}`;
  const prefix = `t${id}_`; // What a killed isolated leaves is dropped with what tests leave (scripts/test.ts).
  const password = randomBytes(12).toString('hex');
  const topicPrefix = `t-${id}.`;
  const [urls, namespace, apiPort] = await Promise.all([
    provision(stack.mysql.adminUrl, { ...shopDatabases, prefix, secret: () => password }),
    openNamespace(stack.temporal.address, name),
    freePort(),
  ]);
  const told = through ? await through({ urls, stack }) : { urls, stack };
  const application = createApplication({
    stack: told.stack,
    namespace: name,
    urls: told.urls,
    topicPrefix,
    label: `${name}-`,
    apiPort,
    apiSecret: randomBytes(24).toString('base64url'),
    ...site,
    variables: { ...allowFaults, ...site?.variables },
  });
  const pools = new Map<Database, SessionPool>();
  const adminUrl = (database: Database): string => {
    const url = new URL(stack.mysql.adminUrl);
    url.pathname = `/${prefix}${database}`;
    return url.toString();
  };
  return {
    name,
    urls,
    application,
    topicPrefix,
    adminUrl,
    temporal: new Client({ connection: namespace.connection, namespace: name }),
    async sql(database, statement, values = []) {
      const pool = pools.get(database) ?? openSessions(poolOptions(adminUrl(database)));
      pools.set(database, pool);
      const session = await pool.acquire();
      try {
        const rows = await session.query(statement, values);
        session.release();
        return rows as never; // The caller names the columns that it asks for.
      } catch (error) {
        session.destroy();
        throw error;
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
      await Promise.all([
        unprovision(stack.mysql.adminUrl, prefix, shopDatabases),
        dropTopics(stack.kafka.brokers, topicPrefix),
        namespace.drop(),
      ]);
    },
  };
}

const poolOptions = (url: string) => ({
  ...{ url, connectionLimit: 4, keep: 1, connectMs: 10_000, session: administration },
  ...{ supportBigNumbers: true, bigNumberStrings: true, typeCast: bytesAsText },
});

/** Deletes the topics with this prefix. */
export async function dropTopics(brokers: readonly string[], topicPrefix: string): Promise<void> {
  const logger = createLogger({ process: 'isolated', level: 'silent' });
  const admin = createKafka({ brokers, topicPrefix }, { clientId: 'isolated', logger }).admin();
  await admin.connect();
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(topicPrefix));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.disconnect();
}

/** IndexedValueType KEYWORD of the service's protocol. */
const keyword = 2;
const retentionSeconds = 24 * 3_600;
const usableWithinMs = 30_000;

/** A namespace of one isolated or test file alone: its runs meet no worker of another one. */
export interface OwnNamespace {
  readonly name: string;
  readonly connection: Connection;
  /** Deletes it, and closes the connection. */
  drop(): Promise<void>;
}

export async function openNamespace(address: string, name: string): Promise<OwnNamespace> {
  const connection = await connectTemporal(address);
  const namespace: OwnNamespace = {
    name,
    connection,
    async drop() {
      try {
        await connection.operatorService.deleteNamespace({ namespace: name });
      } finally {
        await connection.close();
      }
    },
  };
  try {
    await register(namespace);
    return namespace;
  } catch (error) {
    await namespace.drop().catch(() => undefined); // It may not have come to be.
    throw error;
  }
}

/** @returns once it is usable. */
async function register({ name, connection }: OwnNamespace): Promise<void> {
  await connection.workflowService.registerNamespace({
    namespace: name,
    workflowExecutionRetentionPeriod: { seconds: retentionSeconds as never }, // The wire type is a Long; a number encodes as one.
  });
  const deadline = Date.now() + usableWithinMs;
  while (!(await isUsable(connection, name).catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`The namespace ${name} has not become usable.`);
    await pause(50);
  }
}

/** The servers learn of a new namespace, and of its search attributes, one after the other. */
async function isUsable(connection: Connection, namespace: string): Promise<boolean> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.keys(searchAttributeTypes).filter((name) => !(name in customAttributes));
  if (missing.length === 0) {
    await connection.workflowService.countWorkflowExecutions({ namespace });
    return true;
  }
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, keyword])),
  });
  return false;
}
