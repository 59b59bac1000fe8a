import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { Consumer } from 'kafkajs';

import { createCheckingKafka, Partitioners } from '../../../runtime/kafka/client';
import { cached } from '../cache';
import { findProgram, isAtLeast, isExecutable, runCommand } from '../command';
import { checkout, environmentWith, givenAddresses, javaHome, kafkaHome } from '../config';
import type { Region, ServerName } from '../profile';
import type { Progress } from '../progress';
import { kafkaHeap, kafkaSettings, kafkaVersion, oldestVersion } from '../settings';
import { within } from '../../../runtime/waiting';
import { routePort } from './router';
import { portOf, type Context, type Program, type Server } from './server';

const checkTopic = 'accord.stack-check';

type KafkaName = Extract<ServerName, `kafka${string}`>;

/** @param advertised name of the port where clients are sent: a broker that is meant to be cut off is met through the router. */
const kafkaServer = (
  name: KafkaName,
  title: string,
  controller: string,
  advertised: string = name,
): Omit<Server, 'variable' | 'given' | 'isInCompose'> => ({
  name,
  title,
  portNames: [name, controller],
  readyWithinMs: 120_000,
  program: `a Kafka ${oldestVersion.kafka} or later (KAFKA_HOME), or Maven to fetch it, each with Java ${oldestVersion.java} or later`,
  addressOf: (context) => `127.0.0.1:${portOf(context, advertised)}`,
  findOnPath: async () => kafkaProgram(installedLibraries()),
  fetch: async (progress) => {
    const folder = await cached(`kafka-${kafkaVersion}`, progress, (into) =>
      fetchJars(into, progress),
    );
    return kafkaProgram(join(folder, 'lib'));
  },
  prepare: (context, program) => {
    const ports = [name, controller, advertised].map((port) => portOf(context, port));
    return format(name, context, program, properties(name, ports));
  },
  launch: () => ({ args: [kafkaHeap, 'kafka.Kafka', propertiesName(name)], env: javaLocale }),
  check: (address) => within(15_000, title, check(address)),
});

export const kafka: Server = {
  ...kafkaServer('kafka', 'Kafka', 'kafkaController'),
  variable: 'KAFKA_BROKERS',
  isInCompose: true,
  given: () => givenAddresses().kafka,
};

/** Independent of each other: what was published in one region and not consumed is published again in the other. */
const kafkaOf = (region: Region): Server => ({
  ...kafkaServer(
    `kafka-${region}`,
    `Kafka of region ${region}`,
    `kafka-${region}-controller`,
    routePort(`kafka-${region}`),
  ),
  isInCompose: false,
  given: () => undefined,
});
export const regionalKafka = [kafkaOf('a'), kafkaOf('b')];

/** `libs` of KAFKA_HOME, or of the installation that kafka-server-start.sh on PATH belongs to. */
function installedLibraries(): string {
  const script = findProgram('kafka-server-start.sh') ?? findProgram('kafka-server-start');
  const found = script === undefined ? undefined : dirname(dirname(realpathSync(script)));
  const folders = [kafkaHome(), found]
    .filter((home) => home !== undefined)
    .flatMap((home) => [join(home, 'libs'), join(home, 'libexec', 'libs')]);
  const libraries = folders.find((folder) => existsSync(folder));
  if (libraries === undefined)
    throw new Error('neither KAFKA_HOME nor kafka-server-start.sh on PATH leads to a Kafka');
  return libraries;
}

async function kafkaProgram(libraries: string): Promise<Program> {
  const jar = readdirSync(libraries).find((name) => /^kafka_2\.\d+-[\d.]+\.jar$/.test(name));
  const version = /-([\d.]+)\.jar$/.exec(jar ?? '')?.[1] ?? 'unknown';
  if (!isAtLeast(version, oldestVersion.kafka))
    throw new Error(`the Kafka in ${libraries} is ${version}, older than ${oldestVersion.kafka}`);
  const file = await java();
  return { file, args: ['-cp', join(libraries, '*')], version: `Kafka ${version}` };
}

async function java(): Promise<string> {
  const home = javaHome();
  const inHome = home === undefined ? undefined : join(home, 'bin', 'java');
  const file = inHome !== undefined && isExecutable(inHome) ? inHome : findProgram('java');
  if (file === undefined) throw new Error('java is not on PATH');
  const answer = await runCommand(file, ['-version'], { timeoutMs: 20_000 });
  const version = /version "(\d+[^"]*)"/.exec(answer)?.[1] ?? 'unknown';
  if (!isAtLeast(version, oldestVersion.java))
    throw new Error(`${file} is Java ${version}, older than ${oldestVersion.java}`);
  return file;
}

async function fetchJars(into: string, progress: Progress): Promise<void> {
  if (findProgram('mvn') === undefined) throw new Error('mvn is not on PATH');
  const task = progress.task('Kafka');
  let downloaded = 0;
  task.update('downloading jars');
  const pom = join(checkout, 'testing', 'stack', 'kafka', 'pom.xml');
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime'];
  try {
    await runCommand('mvn', ['-B', '-f', pom, ...goal, `-DoutputDirectory=${join(into, 'lib')}`], {
      timeoutMs: 20 * 60_000,
      onLine: (line) => {
        if (!line.includes('Downloaded from')) return;
        downloaded += 1;
        task.update(`${downloaded} files downloaded`);
      },
    });
  } finally {
    task.end();
  }
}

/**
 * From the profile's folder, where the broker is started: a comma would make two folders of its path, and a letter that
 * the properties' encoding lacks another one, each outside of the checkout.
 */
const dataName = (name: KafkaName): string => `data/${name}`;
const propertiesName = (name: KafkaName): string => `${name}.properties`;

/** Without it Java cannot name a folder whose path has letters beyond ASCII. */
const javaLocale = { LC_ALL: 'C.UTF-8' };

/** Writes the properties (ports may have changed) and formats the log folder the first time. */
async function format(
  name: KafkaName,
  context: Context,
  program: Program,
  text: string,
): Promise<void> {
  const folder = join(context.folder, dataName(name));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(context.folder, propertiesName(name)), text);
  if (existsSync(join(folder, 'meta.properties'))) return;
  // 16 random bytes are a cluster id; a leading dash would read as an option.
  const clusterId = randomBytes(16).toString('base64url').replace(/^-/, 'A');
  const tool = ['kafka.tools.StorageTool', 'format', '--ignore-formatted'];
  await runCommand(
    program.file,
    [...program.args, ...tool, '-t', clusterId, '-c', propertiesName(name)],
    { cwd: context.folder, env: environmentWith(javaLocale), timeoutMs: 90_000 },
  );
}

function properties(name: KafkaName, ports: readonly number[]): string {
  const [broker, controller, advertised] = ports.map((port) => `127.0.0.1:${port}`);
  const all = {
    ...kafkaSettings,
    'controller.quorum.voters': `1@${controller ?? ''}`,
    listeners: `PLAINTEXT://${broker ?? ''},CONTROLLER://${controller ?? ''}`,
    'advertised.listeners': `PLAINTEXT://${advertised ?? ''}`,
    'log.dirs': dataName(name),
  };
  return Object.entries(all)
    .map(([property, value]) => `${property}=${value}\n`)
    .join('');
}

/** A record goes in and the same record comes out: the coordinator, too, has loaded by then. */
async function check(address: string): Promise<void> {
  const client = createCheckingKafka(address.split(','), {
    clientId: 'accord-stack-check',
    connectMs: 2_000,
    requestMs: 5_000,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 5 },
  });
  const admin = client.admin();
  const producer = client.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const groupId = `accord-stack-check-${randomUUID()}`;
  const consumer = client.consumer({ groupId, maxWaitTimeInMs: 100 });
  try {
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    if (!(await admin.listTopics()).includes(checkTopic))
      await admin.createTopics({ topics: [{ topic: checkTopic, numPartitions: 1 }] });
    const value = randomUUID();
    const [sent] = await producer.send({ topic: checkTopic, messages: [{ value }] });
    await consumed(consumer, sent?.baseOffset ?? '0', value);
  } finally {
    await Promise.allSettled([producer.disconnect(), consumer.disconnect()]);
    // One group for each check would pile up otherwise.
    await admin.deleteGroups([groupId]).catch(() => undefined);
    await admin.disconnect().catch(() => undefined);
  }
}

async function consumed(consumer: Consumer, offset: string, value: string): Promise<void> {
  await consumer.subscribe({ topic: checkTopic });
  const arrival = new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: ({ message }) => {
        if (message.value?.toString() === value) resolve();
        return Promise.resolve();
      },
    });
  });
  consumer.seek({ topic: checkTopic, partition: 0, offset });
  await within(10_000, 'The Kafka consumer', arrival);
}
