/** The processes of an installed project on the servers of a profile, with databases, topics and runs of its own. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { Client } from '@temporalio/client';
import type { RowDataPacket } from 'mysql2/promise';

import { openConnection } from '../../runtime/mysql/door';
import { freePort } from '../../runtime/ports';
import { allowFaults, createApplication, type Application } from '../environment/application';
import { dropTopics, openNamespace } from '../environment/isolated-environment';
import { runCommand } from '../stack/command';
import { environmentWith } from '../stack/config';
import type { Stack } from '../stack/stack';

export interface ProjectEnvironment {
  /** Where the project stands. */
  readonly folder: string;
  readonly application: Application;
  /** Bound to its namespace. */
  readonly temporal: Client;
  /** Runs `accord` there, with the environment of its processes. @returns what it wrote. @throws where it fails. */
  readonly accord: (...args: readonly string[]) => Promise<string>;
  /** Stops its processes, and drops databases, users, namespace and topics. */
  close(): Promise<void>;
}

const commandWithinMs = 120_000;

/** @param folder of the installed project: `installExample`. */
export async function openProject(stack: Stack, folder: string): Promise<ProjectEnvironment> {
  const id = randomBytes(4).toString('hex');
  const name = `project-${id}`;
  const prefix = `t${id}_`; // What a killed run leaves is dropped with what tests leave (scripts/test.ts).
  const topicPrefix = `t-${id}.`;
  const command = join(folder, 'node_modules', '.bin', 'accord');
  const accord = (args: readonly string[], variables: Readonly<Record<string, string>>) =>
    runCommand(command, args, {
      ...{ cwd: folder, env: environmentWith(variables), timeoutMs: commandWithinMs },
    });
  const [printed, namespace, apiPort] = await Promise.all([
    accord(['migrate', '--env', '--prefix', prefix], { MYSQL_URL: stack.mysql.adminUrl }),
    openNamespace(stack.temporal.address, name),
    freePort(),
  ]);
  const application = createApplication({
    stack,
    namespace: name,
    urls: variablesIn(printed), // Those of the project: its participants are not ours.
    topicPrefix,
    label: `${name}-`,
    apiPort,
    apiSecret: randomBytes(24).toString('base64url'),
    build: { folder, nodeArguments: [], argumentsOf: (role) => [command, role] },
    variables: { ...allowFaults, SCHEDULES: 'off' },
    endsWithUs: true,
  });
  return {
    folder,
    application,
    temporal: new Client({ connection: namespace.connection, namespace: name }),
    accord: (...args) => accord(args, application.environment),
    async close() {
      await Promise.all(['api', 'relay', 'worker'].map((each) => application.stop(each)));
      await Promise.all([
        dropAll(stack.mysql.adminUrl, prefix),
        dropTopics(stack.kafka.brokers, topicPrefix),
        namespace.drop(),
      ]);
    },
  };
}

/** `NAME=value` lines. */
const variablesIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

/** Databases and users by their prefix: which ones a project has, it alone knows. */
async function dropAll(adminUrl: string, prefix: string): Promise<void> {
  const admin = await openConnection({ url: adminUrl });
  try {
    const names = async (sql: string): Promise<readonly string[]> => {
      const like = `${prefix.replaceAll('_', '\\_')}%`;
      const [rows] = await admin.query<RowDataPacket[]>(sql, [like]);
      return rows.map((row) => String(row['name'])); // Bytes, or text.
    };
    for (const database of await names(
      'SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE ?',
    ))
      await admin.query(`DROP DATABASE \`${database}\``);
    for (const user of await names('SELECT user AS name FROM mysql.user WHERE user LIKE ?'))
      await admin.query(`DROP USER ?@'%'`, [user]);
  } finally {
    await admin.end();
  }
}
