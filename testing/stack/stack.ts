/**
 * Real servers for this checkout: Temporal with its UI, MySQL, Redis, Kafka. Everything that a
 * profile owns stands in `.accord/<profile>/`; what was not started from here is never touched.
 */
import { rmSync } from 'node:fs';

import { bringUpServer, interruptibly, startNatively, waitUntilWorks } from './bring-up';
import { givenAddresses, givenTemporal } from './config';
import { composeRestart, composeStop, composeWipe, hasDockerEngine } from './docker';
import { withLock } from './lock';
import { ownedProcess, ownedProcesses, stopProcess, type OwnedProcess } from './process';
import {
  assignPorts,
  folderOf,
  lockFileOf,
  makeFolder,
  readSecrets,
  readStackFile,
  secret,
  serverNames,
  hubOf,
  serversOf,
  writeStackFile,
  type Profile,
  type ServerName,
  type ServerRecord,
  type Source,
  type StackFile,
} from './profile';
import { lineProgress, standardProgress, type Progress } from './progress';
import { agents } from './servers/agent';
import { kafka, regionalKafka } from './servers/kafka';
import { mysql, regionalMysql } from './servers/mysql';
import { redis, regionalRedis } from './servers/redis';
import { routePort, router } from './servers/router';
import type { Context, Server } from './servers/server';
import { namespaceOf, temporal } from './servers/temporal';
import { reasonOf } from '../../runtime/waiting';

export { secret };
export type { Profile, ServerName };

/** The addresses of a profile's servers, as processes of this checkout need them. */
export interface Stack {
  readonly profile: Profile;
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly uiUrl: string | undefined;
  };
  /** Address for the administrator: for migrations and drills, never for the application. */
  readonly mysql: { readonly adminUrl: string };
  readonly redis: { readonly url: string };
  readonly kafka: { readonly brokers: readonly string[] };
  /** Those that exist so far; `secret(profile, name)` makes another one. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly folder: string;
}

/** One server as `status` shows it. */
export interface ServerStatus {
  readonly name: ServerName;
  readonly title: string;
  readonly source: Source | undefined;
  readonly version: string | undefined;
  /** The address, without its password. */
  readonly address: string | undefined;
  readonly pid: number | undefined;
  readonly isHealthy: boolean;
  /** Why not. */
  readonly failure: string | undefined;
}

interface Options {
  /** Takes each line of progress; by default they go to standard error. */
  readonly report?: (line: string) => void;
}

const everyServer: readonly Server[] = [
  ...[temporal, mysql, redis, kafka, router],
  ...[...regionalMysql, ...regionalRedis, ...regionalKafka, ...agents],
];
const serversOfProfile = (profile: Profile): readonly Server[] =>
  serversOf(profile).map(serverNamed);

function serverNamed(name: ServerName): Server {
  const server = everyServer.find((each) => each.name === name);
  if (!server) throw new Error(`There is no server ${name}.`);
  return server;
}
const mysqlPassword = 'mysql-root';
const redisPassword = 'redis';

/**
 * Brings every server of the profile up and answers when each of them works, not only listens.
 * Safe to repeat and to call twice at once: the second waits for the first.
 * @throws one sentence for each server that is missing; what this call had started is stopped again.
 */
export async function bringUp(profile: Profile, options: Options = {}): Promise<Stack> {
  const progress = progressOf(options);
  makeFolder(profile);
  return locked(profile, progress, () =>
    interruptibly(folderOf(profile), () => bringUpAll(profile, progress)),
  );
}

/**
 * Stops every process that this checkout started for the profile: its own first, the servers then.
 * Their data stay. Safe to repeat.
 */
export async function takeDown(profile: Profile, options: Options = {}): Promise<void> {
  const progress = progressOf(options);
  return locked(profile, progress, () => stopAll(profile, progress));
}

/** Stops the profile's processes and removes its data, logs, ports and secrets. */
export async function reset(profile: Profile, options: Options = {}): Promise<void> {
  const progress = progressOf(options);
  await locked(profile, progress, async () => {
    await stopAll(profile, progress);
    const context = contextOf(profile, progress);
    if (await mayHaveContainers(context)) await composeWipe(context);
    rmSync(folderOf(profile), { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  });
}

/** The stack as the last `up` left it; undefined when it is not up. Asks no server anything. */
export async function readStack(profile: Profile): Promise<Stack | undefined> {
  const { servers: records } = await Promise.resolve(readStackFile(profile));
  // A region may be lost, and the stack is up all the same.
  const isUp = hubOf(profile).every((name) => isRecordedUp(profile, name, records[name]));
  return isUp ? stackOf(contextOf(profile)) : undefined;
}

/** Each server with its health, asked now. */
export async function status(profile: Profile): Promise<readonly ServerStatus[]> {
  const file = readStackFile(profile);
  const context = contextOf(profile, silent);
  return Promise.all(
    serversOfProfile(profile).map((server) => statusOf(server, context, file.servers[server.name])),
  );
}

/** The living process of a server that runs natively: for drills that kill or stop it. */
export function serverProcess(profile: Profile, name: ServerName): OwnedProcess | undefined {
  return ownedProcess(folderOf(profile), name);
}

/** Servers of this checkout that were up and whose process is gone. Asks no server anything. */
export function deadServers(profile: Profile): readonly { name: ServerName; title: string }[] {
  const { servers } = readStackFile(profile);
  return serversOfProfile(profile).filter(({ name }) => {
    const source = servers[name]?.source;
    const isProcess = source === 'path' || source === 'cache';
    return isProcess && serverProcess(profile, name) === undefined;
  });
}

/** Stops a server if it lives, starts it again on its data and its port, and waits until it works. */
export async function restartServer(
  profile: Profile,
  name: ServerName,
  options: Options = {},
): Promise<void> {
  const progress = progressOf(options);
  await locked(profile, progress, () =>
    interruptibly(folderOf(profile), () => restart(profile, name, progress)),
  );
}

/** The stack's own names: every other process of the folder belongs to the application. */
export const isServerName = (name: string): name is ServerName =>
  serverNames.some((known) => known === name);

/**
 * A port for a process of the application, such as the API: free when it was first asked for, the
 * same ever after as long as it is free or `name` is running.
 */
export async function portFor(profile: Profile, name: string): Promise<number> {
  makeFolder(profile);
  return locked(profile, silent, async () => {
    const file = readStackFile(profile);
    const isRunning = ownedProcess(folderOf(profile), name) !== undefined;
    const ports = await assignPorts(profile, file.ports, [name], () => isRunning);
    writeStackFile(profile, { ...file, ports });
    const port = ports[name];
    if (port === undefined) throw new Error(`No port was assigned to ${name}.`);
    return port;
  });
}

/** What Compose and `logs` need of a profile; nothing is started. */
export function contextOf(profile: Profile, progress: Progress = silent): Context {
  return {
    profile,
    progress,
    folder: folderOf(profile),
    ports: portsOf(profile),
    passwords: passwordsOf(secretsOrLost(profile)),
  };
}

/**
 * Where there are regions, clients meet the active Redis at the router, and Kafka in the region that is active at
 * first.
 */
function portsOf(profile: Profile): Readonly<Record<string, number>> {
  const { ports } = readStackFile(profile);
  const { [routePort('redis')]: redisRoute, [routePort('kafka-a')]: kafkaRoute } = ports;
  if (redisRoute === undefined || kafkaRoute === undefined) return ports;
  return { ...ports, redis: redisRoute, kafka: kafkaRoute };
}

async function bringUpAll(profile: Profile, progress: Progress): Promise<Stack> {
  const file = await withPorts(profile, readStackFile(profile));
  await Promise.all([secret(profile, mysqlPassword), secret(profile, redisPassword)]);
  writeStackFile(profile, file);
  const context = contextOf(profile, progress);
  const livedBefore = new Set(ownedProcesses(context.folder).map(({ pid }) => pid));
  const failures: string[] = [];
  await Promise.all(
    serversOfProfile(profile).map(async (server) => {
      try {
        const record = await bringUpServer(server, context, file.servers[server.name]);
        file.servers[server.name] = record;
        // At once, not at the end: a crash in between must not lose what runs already.
        writeStackFile(profile, file);
      } catch (error) {
        failures.push(reasonOf(error));
      }
    }),
  );
  if (failures.length === 0) return stackOf(context);
  await stopNewcomers(context, livedBefore);
  throw new Error(failures.join('\n'));
}

async function withPorts(profile: Profile, file: StackFile): Promise<StackFile> {
  const servers = serversOfProfile(profile);
  const ours = servers.filter(
    ({ name }) =>
      file.servers[name]?.source === 'docker' || serverProcess(profile, name) !== undefined,
  );
  const oursPorts = new Set(ours.flatMap(({ portNames }) => portNames));
  const names = servers.flatMap(({ portNames }) => portNames);
  const ports = await assignPorts(profile, file.ports, names, (name) => oursPorts.has(name));
  return { ...file, ports };
}

async function stopNewcomers({ folder }: Context, livedBefore: ReadonlySet<number>): Promise<void> {
  const newcomers = ownedProcesses(folder).filter(({ pid }) => !livedBefore.has(pid));
  await Promise.all(newcomers.map(({ name }) => stopProcess(folder, name)));
}

async function stopAll(profile: Profile, progress: Progress): Promise<void> {
  const context = contextOf(profile, progress);
  const { folder } = context;
  const file = readStackFile(profile);
  const running = ownedProcesses(folder).map(({ name }) => name);
  const stop = async (name: string): Promise<void> => {
    if (await stopProcess(folder, name)) progress.say(`Stopped ${name}.`);
  };
  // The application first: it finishes its work while the servers still answer.
  await Promise.all(running.filter((name) => !isServerName(name)).map(stop));
  await Promise.all(running.filter(isServerName).map(stop));
  if (await mayHaveContainers(context)) await composeStop(context);
  if (Object.keys(file.servers).length > 0) writeStackFile(profile, { ...file, servers: {} });
}

// Asked even when no record names Docker: an interrupted `up` may have left a container. Without
// passwords there was never an `up`.
async function mayHaveContainers({ passwords }: Context): Promise<boolean> {
  return passwords.mysql !== '' && (await hasDockerEngine());
}

async function restart(profile: Profile, name: ServerName, progress: Progress): Promise<void> {
  const server = serverNamed(name);
  const record = readStackFile(profile).servers[name];
  const context = contextOf(profile, progress);
  switch (record?.source) {
    case undefined:
      throw new Error(`${server.title} of the profile ${profile} was never up.`);
    case 'environment':
      throw new Error(
        `${server.title} is somebody else's (${server.variable ?? ''}): not restarted.`,
      );
    case 'docker':
      await composeRestart(name, context);
      return waitUntilWorks(server, context, server.readyWithinMs);
    case 'path':
    case 'cache': {
      await stopProcess(context.folder, name);
      const program =
        record.source === 'path' ? await server.findOnPath() : await server.fetch(progress);
      return startNatively(server, context, program);
    }
  }
}

function isRecordedUp(
  profile: Profile,
  name: ServerName,
  record: ServerRecord | undefined,
): boolean {
  if (serverNamed(name).given() !== undefined) return true;
  if (record === undefined || record.source === 'environment') return false;
  return record.source === 'docker' || serverProcess(profile, name) !== undefined;
}

async function statusOf(
  server: Server,
  context: Context,
  record: ServerRecord | undefined,
): Promise<ServerStatus> {
  const given = server.given();
  const { name, title } = server;
  const isOurs = given === undefined;
  const pid = isOurs ? ownedProcess(context.folder, name)?.pid : undefined;
  const source = isOurs ? record?.source : 'environment';
  const shown = { name, title, source, version: isOurs ? record?.version : undefined, pid };
  if (source === undefined || !isRecordedUp(context.profile, name, record)) {
    const failure = record === undefined ? 'not started' : 'it ended';
    return { ...shown, address: undefined, isHealthy: false, failure };
  }
  const address = given ?? server.addressOf(context);
  try {
    await server.check(address, isOurs);
    return { ...shown, address: masked(address), isHealthy: true, failure: undefined };
  } catch (error) {
    return { ...shown, address: masked(address), isHealthy: false, failure: reasonOf(error) };
  }
}

function stackOf(context: Context): Stack {
  const given = givenAddresses();
  const ui = `http://127.0.0.1:${context.ports['temporalUi'] ?? ''}`;
  return {
    profile: context.profile,
    folder: context.folder,
    temporal: {
      address: given.temporal ?? temporal.addressOf(context),
      namespace: namespaceOf(),
      uiUrl: given.temporal === undefined ? ui : givenTemporal().uiUrl,
    },
    mysql: { adminUrl: given.mysql ?? mysql.addressOf(context) },
    redis: { url: given.redis ?? redis.addressOf(context) },
    kafka: { brokers: (given.kafka ?? kafka.addressOf(context)).split(',') },
    secrets: readSecrets(context.profile),
  };
}

/** Placeholder passwords: to stop or remove a profile, no real password is needed. */
function secretsOrLost(profile: Profile): Readonly<Record<string, string>> {
  try {
    return readSecrets(profile);
  } catch {
    return { [mysqlPassword]: 'lost', [redisPassword]: 'lost' };
  }
}

const passwordsOf = (secrets: Readonly<Record<string, string>>): Context['passwords'] => ({
  mysql: secrets[mysqlPassword] ?? '',
  redis: secrets[redisPassword] ?? '',
});

function locked<Result>(
  profile: Profile,
  progress: Progress,
  work: () => Promise<Result>,
): Promise<Result> {
  const sayWaiting = (pid: number): void =>
    progress.say(`Another command (process ${pid}) is at work on the profile ${profile}: waiting.`);
  return withLock(lockFileOf(profile), work, sayWaiting);
}

const progressOf = ({ report }: Options): Progress =>
  report === undefined ? standardProgress() : lineProgress(report);

const silent = lineProgress(() => undefined);

/** A URL without its password. */
export const masked = (address: string): string =>
  address.replace(/\/\/([^:@/]*):[^@/]*@/g, '//$1:***@');
