/**
 * The application's processes on the servers of one profile: API, transaction workers, relay, consumer, as production
 * runs them, from `dist/` by plain Node. They are recorded as the profile's own, so that `stack down` stops them as
 * well.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { apiVariables } from '../../api/config';
import { shopVariables } from '../../api/shop/config';
import { transactionsTaskQueue } from '../../contracts/engine/task-queues';
import type { Readiness } from '../../runtime/readiness';
import { workerVariables } from '../../workers/config';
import type { DatabaseUrls } from '../../runtime/databases/shop';
import { checkout, environmentWith } from '../stack/config';
import {
  isAlive,
  lastLogLines,
  ownedProcess,
  startProcess,
  stopProcess,
  type OwnedProcess,
} from '../stack/process';
import type { Stack } from '../stack/stack';
import { connectTemporal, temporalKeyFor } from '../stack/temporal-client';
import { pause } from '../../runtime/waiting';

export type Role = 'api' | 'worker' | 'relay' | 'consumer' | 'failover';

/** Paths from the folder of a build. */
const programs: Readonly<Record<Role, string>> = {
  api: 'api/main.js',
  worker: 'workers/transactions/main.js',
  relay: 'workers/relay/main.js',
  consumer: 'workers/consumers/main.js',
  failover: 'workers/failover/main.js',
};

/** Programs as they were compiled, and what Node is told when it runs them. */
export interface Build {
  /** Its processes run there, where they are not of this checkout. */
  readonly folder: string;
  readonly nodeArguments: readonly string[];
  /** The program of a role and its arguments; left out: those of this checkout. */
  readonly argumentsOf?: (role: Role) => readonly string[];
}

/** What production runs. */
export const shippedBuild: Build = { folder: join(checkout, 'dist'), nodeArguments: [] };

/** What Node is given to run the program of a role. */
export const programArguments = (
  role: Role,
  { folder, nodeArguments, argumentsOf }: Build = shippedBuild,
): string[] => [...nodeArguments, ...(argumentsOf?.(role) ?? [join(folder, programs[role])])];

/** Names that belong to one application only on shared servers. */
export interface ApplicationSite {
  readonly stack: Pick<Stack, 'temporal' | 'redis' | 'kafka' | 'folder'>;
  readonly namespace: string;
  readonly urls: DatabaseUrls;
  /** Begins the names of its topics, and its keys in Redis. */
  readonly topicPrefix: string;
  /** Begins the names of its processes. */
  readonly label: string;
  readonly apiPort: number;
  readonly apiSecret: string;
  /** Left out: the one that production runs. */
  readonly build?: Build;
  /** What its processes read beside their addresses. */
  readonly variables?: Variables;
  /** Whether its processes end with this one, however it ends; left out: they outlive it. */
  readonly endsWithUs?: boolean;
  /**
   * Whether the shell's variables tune its processes, such as LOG_LEVEL; where they are is never the shell's affair.
   */
  readonly isTunedByShell?: boolean;
}

export type Variables = Readonly<Record<string, string>>;

/** Variables of an application that is broken on purpose. */
export const allowFaults: Variables = { ACCORD_DEVELOPMENT: 'allow-faults' };

export interface Application {
  readonly apiUrl: string;
  /** What its processes read. */
  readonly environment: Variables;
  /**
   * Starts a process unless it is running, and waits until it is ready for work.
   *
   * @param name of this process, within the application.
   * @param variables take the place of what the process would read otherwise.
   * @param build of this process alone.
   * @returns false where it was running before.
   * @throws its last log lines, when it ends or is not ready in time.
   */
  start(role: Role, name?: string, variables?: Variables, build?: Build): Promise<boolean>;
  /** The living process of that name. */
  process(name: string): OwnedProcess | undefined;
  /** Where the living process of that name serves its metrics, as soon as it is ready. */
  metricsUrl(name: string): string | undefined;
  /** SIGTERM, and SIGKILL where it has not ended in time. Safe to repeat. */
  stop(name: string): Promise<void>;
}

const readyWithinMs = 40_000; // Four at once on two busy cores: seconds each; a migration or an outage is longer.
const stopWithinMs = 30_000; // Above a worker's own bound of 20 s.
const lookEveryMs = 50;

export function createApplication(site: ApplicationSite): Application {
  const { stack, label } = site;
  const { folder } = stack;
  const environment = environmentOf(site);
  const recordedAs = (name: string): string => `${label}${name}`;

  async function start(
    role: Role,
    name: string = role,
    variables: Variables = {},
    build: Build | undefined = site.build,
  ): Promise<boolean> {
    if (ownedProcess(folder, recordedAs(name))) return false;
    const readyFile = readyFileOf(folder, recordedAs(name));
    rmSync(readyFile, { force: true });
    const mine = { ...environment, ...variables, READY_FILE: readyFile };
    const started = await startProcess({
      folder,
      name: recordedAs(name),
      file: process.execPath,
      args: ['--enable-source-maps', ...programArguments(role, build)],
      cwd: build?.argumentsOf ? build.folder : checkout,
      env: environmentWith(mine),
      endsWithUs: site.endsWithUs ?? false,
    });
    await waitUntilReady(started, () => isReady(role, started, folder, mine));
    return true;
  }

  async function waitUntilReady(
    started: OwnedProcess,
    look: () => Promise<boolean> | boolean,
  ): Promise<void> {
    const deadline = Date.now() + readyWithinMs;
    while (!(await look())) {
      const hasEnded = !isAlive(started.pid, started.startTime);
      if (hasEnded || Date.now() > deadline) {
        const what = hasEnded
          ? 'ended at its start'
          : `was not ready within ${readyWithinMs / 1_000} s`;
        await stopProcess(folder, started.name);
        throw new Error(
          [`${started.name} ${what}. It wrote:`, ...lastLogLines(folder, started.name)].join(
            '\n    ',
          ),
        );
      }
      await pause(lookEveryMs);
    }
  }

  return {
    apiUrl: `http://127.0.0.1:${site.apiPort}`,
    environment,
    start,
    process: (name) => ownedProcess(folder, recordedAs(name)),
    metricsUrl(name) {
      const running = ownedProcess(folder, recordedAs(name));
      const port = running && readinessOf(folder, running)?.port;
      return port === undefined ? undefined : `http://127.0.0.1:${port}/metrics`;
    },
    async stop(name) {
      await stopProcess(folder, recordedAs(name), { killAfterMs: stopWithinMs });
    },
  };
}

/** Every variable that a process reads. */
const knownVariables = () => [
  ...new Set([...apiVariables(shopVariables), ...Object.values(workerVariables()).flat()]),
];

/** What a process may be told by the shell: how it works, never where, nor as whom. */
const tuning = new Set([
  'ACCORD_DEVELOPMENT',
  'API_DATABASE_CONNECTIONS',
  'CLEARING_ACCOUNTS',
  'FAILED_CREDENTIALS_PER_SECOND',
  'FAULTS',
  'FAULT_MARKS',
  'FAULT_SEED',
  'FENCE_KEEP_DAYS',
  'LANES',
  'LOG_LEVEL',
  'LOOP_DELAY_MAX_MS',
  'MERCHANT_ACCOUNTS',
  'OPERATIONS_PER_SECOND',
  'READS_PER_SECOND',
  'RELAY_KEEP_HOURS',
  'REVIEW_MS',
  'RISK_POLICY',
  'SCHEDULES',
  'STARTS_IN_HAND_MAX',
  'STARTS_PER_SECOND',
  'START_BACKLOG_MAX',
  'STUCK_ALARM_SECONDS',
  'TWO_PERSON_THRESHOLDS',
  'WAITERS_MAX',
]);

/** Empty, which is unset: what stands in the shell for another installation is not for this one. */
const withoutShell = (isTuned: boolean): Variables =>
  Object.fromEntries(
    knownVariables()
      .filter((name) => !(isTuned && tuning.has(name)))
      .flatMap((name) => [
        [name, ''],
        [`${name}_FILE`, ''],
      ]),
  );

function environmentOf({
  stack,
  namespace,
  urls,
  topicPrefix,
  apiPort,
  apiSecret,
  isTunedByShell = false,
  variables = {},
}: ApplicationSite): Variables {
  return {
    ...withoutShell(isTunedByShell),
    ...variables,
    ...urls,
    TEMPORAL_ADDRESS: stack.temporal.address,
    TEMPORAL_NAMESPACE: namespace,
    TEMPORAL_API_KEY: temporalKeyFor(stack.temporal.address) ?? '',
    REDIS_URL: withPrefix(stack.redis.url, topicPrefix),
    KAFKA_BROKERS: stack.kafka.brokers.join(','),
    KAFKA_TOPIC_PREFIX: topicPrefix,
    METRICS_PORT: '0', // Several on one machine: each takes a free one, and says which.
    API_PORT: String(apiPort),
    API_SECRET: apiSecret,
    SHUTDOWN_GRACE_MS: '0', // No balancer here that would have to see that readiness fell.
  };
}

/** Applications that share a Redis share no keys: one's payers would count against another's. */
function withPrefix(redisUrl: string, keyPrefix: string): string {
  if (keyPrefix === '') return redisUrl;
  const url = new URL(redisUrl);
  url.searchParams.set('keyPrefix', keyPrefix); // An option of the client, as its addresses may carry them.
  return url.toString();
}

/** Ready means that it works: the API takes starts, a worker polls, the others have opened what they need. */
async function isReady(
  role: Role,
  started: OwnedProcess,
  folder: string,
  variables: Variables,
): Promise<boolean> {
  if (readinessOf(folder, started) === undefined) return false;
  switch (role) {
    case 'api':
      return answers(`http://127.0.0.1:${variables['API_PORT'] ?? ''}/readyz`);
    case 'worker':
      return polls(started.pid, variables);
    case 'relay':
    case 'consumer':
    case 'failover':
      return true;
  }
}

const readyFileOf = (folder: string, name: string): string => join(folder, 'run', `${name}.ready`);

const readinessSchema: z.ZodType<Readiness> = z.object({ pid: z.number(), port: z.number() });

/** What a process has announced of itself; nothing where another one did, which is gone. */
function readinessOf(folder: string, { name, pid }: OwnedProcess): Readiness | undefined {
  let text: string;
  try {
    text = readFileSync(readyFileOf(folder, name), 'utf8');
  } catch {
    return undefined; // Not ready yet.
  }
  const readiness = readinessSchema.parse(JSON.parse(text));
  return readiness.pid === pid ? readiness : undefined;
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false; // Not listening yet.
  }
}

/** Temporal knows its pollers, of workflows and of activities, by the identity that begins with their pid. */
async function polls(pid: number, variables: Variables): Promise<boolean> {
  const connection = await connectTemporal(variables['TEMPORAL_ADDRESS'] ?? '');
  try {
    const pollers = await Promise.all(
      [1, 2].map(async (taskQueueType) => {
        const queue = await connection.workflowService.describeTaskQueue({
          namespace: variables['TEMPORAL_NAMESPACE'] ?? '',
          taskQueue: { name: transactionsTaskQueue },
          // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- Workflows, activities: the enum's package is not ours to import.
          taskQueueType,
        });
        return queue.pollers;
      }),
    );
    return pollers.every((of) => of.some(({ identity }) => identity?.startsWith(`${pid}@`)));
  } finally {
    await connection.close();
  }
}
