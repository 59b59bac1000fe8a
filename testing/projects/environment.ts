/** The processes of a project on given servers, with databases, topics and runs of their own, which are dropped at the end. */
import { randomBytes } from 'node:crypto';

import { Client } from '@temporalio/client';

import { unprovision } from '../../runtime/databases/provision';
import { freePort } from '../../runtime/ports';
import { allowFaults, createApplication, type Application } from '../environment/application';
import { dropTopics, openNamespace } from '../environment/isolated-environment';
import type { Stack } from '../stack/stack';

/** Addresses; that of MySQL is an administrator's. */
export type Servers = Pick<Stack, 'temporal' | 'mysql' | 'redis' | 'kafka'>;

export interface ProjectSite {
  readonly servers: Servers;
  /** Where the project stands: the working folder of its processes. */
  readonly folder: string;
  /** Where records and logs of its processes stand. */
  readonly records: string;
  /** What Node runs as `accord`, with the options before the name of a process. */
  readonly accord: readonly string[];
  /** Folder of migrations of each participant, as the project declares them. */
  readonly migrations: Readonly<Record<string, string>>;
  /** Migrates databases whose names begin with the prefix. @returns their addresses by variable. */
  readonly migrate: (prefix: string) => Promise<Readonly<Record<string, string>>>;
}

export interface ProjectEnvironment {
  readonly application: Application;
  /** Bound to its namespace. */
  readonly temporal: Client;
  readonly urls: Readonly<Record<string, string>>;
  readonly topicPrefix: string;
  /** Stops its processes, and drops databases, users, namespace and topics. */
  close(): Promise<void>;
}

/** @throws one sentence where a server is away, or what a server says to the first wish that it refuses. */
export async function openProject(site: ProjectSite): Promise<ProjectEnvironment> {
  const { servers, folder, records, accord, migrations } = site;
  const id = randomBytes(4).toString('hex');
  const name = `project-${id}`;
  const prefix = `t${id}_`; // Databases and users that a killed run leaves go with those of tests (scripts/test.ts); nobody drops its namespace and topics.
  const topicPrefix = `t-${id}.`;
  const drop = () => unprovision(servers.mysql.adminUrl, prefix, { migrations });
  const opened = openNamespace(servers.temporal.address, name);
  const parts = [site.migrate(prefix), opened, freePort()] as const;
  const [urls, namespace, apiPort] = await Promise.all(parts).catch(async (error: unknown) => {
    await Promise.allSettled(parts); // What is still being created would come after the drop.
    // Why it could not begin is what people must read.
    await Promise.allSettled([drop(), opened.then((each) => each.drop())]);
    throw error;
  });
  const application = createApplication({
    stack: { ...servers, folder: records },
    namespace: name,
    urls, // Those of the project: its participants are not ours.
    topicPrefix,
    label: `${name}-`,
    apiPort,
    apiSecret: randomBytes(24).toString('base64url'),
    build: { folder, nodeArguments: [], argumentsOf: (role) => [...accord, role] },
    // The administrator's address is for no process.
    variables: { ...allowFaults, SCHEDULES: 'off', MYSQL_URL: '' },
    endsWithUs: true,
  });
  return {
    application,
    temporal: new Client({ connection: namespace.connection, namespace: name }),
    urls,
    topicPrefix,
    async close() {
      await Promise.all(['api', 'relay', 'worker'].map((each) => application.stop(each)));
      await Promise.all([drop(), dropTopics(servers.kafka.brokers, topicPrefix), namespace.drop()]);
    },
  };
}
