/** One chaos run, phase by phase: warm-up, faults, heal, load again, quiet, oracles, tail. What was seen; nothing is judged here. */
import { flowNames } from '../../contracts/flows';
import { type Gid } from '../../contracts/engine/ids';
import {
  openInvariants,
  type OpenInvariants,
  type InvariantRound,
  type Violation,
} from '../verify/verification';
import type { Latency } from '../bench/latency';
import type { LaneMode } from '../../api/transactions/lanes';
import type { Build } from '../environment/application';
import type { Scope } from '../../api/http/scopes';
import { authorizationOf } from '../environment/credentials';
import type { DatabaseUrls } from '../../runtime/databases/shop';
import { serversOf } from '../stack/profile';
import { restartServer, serverProcess, type Profile, type Stack } from '../stack/stack';
import { pause, reasonOf } from '../../runtime/waiting';
import {
  openIsolatedEnvironment,
  type IsolatedEnvironment,
} from '../environment/isolated-environment';
import type { Facts } from './checkers';
import { watchCounters, type Counters } from './counters';
import { isCovered } from './coverage';
import { faultMenu, type FaultName, type Reach } from './faults';
import { openHistory, readHistory, type History } from './history';
import { createApiClient } from './http';
import { startLoad } from './load';
import {
  plantAbandoned,
  plantLateActs,
  plantLostLease,
  plantParked,
  plantUnheard,
  runJob,
  type Planted,
} from './planting';
import { startProber } from './prober';
import { createProxy, type Proxy } from '../../runtime/tcp-proxy/proxy';
import { finishReviews, untilQuiet, type Unrest } from './quiescence';
import { raceActsAgainstUndos, type Races } from './races';
import type { Random } from './random';
import type { PlannedFault } from './schedule';
import { supervise, type Crew } from './supervisor';
import { replayEvery, type ReplayedAll } from './replaying';
import { installTriggerLog, readFacts } from './trigger-log';
import { seedWorld, tenant } from './world';

export interface ChaosOptions {
  readonly profile: Profile;
  readonly lane: LaneMode;
  readonly stack: Stack;
  readonly random: Random;
  readonly plan: readonly PlannedFault[];
  /** How long the faults were to take. */
  readonly minutes: number;
  readonly workers: number;
  readonly clients: number;
  /** Load between the last fault and the end. */
  readonly afterMs: number;
  readonly historyFile: string;
  /** The build that is released amid the faults, one worker before the others. */
  readonly next?: Build;
  /** The build that all processes run instead of the shipped one, and FAULTS of the workers that make it show. */
  readonly build?: Build;
  readonly faults?: string;
  /** What has to be put back, the last thing first; the caller does that, also when it is interrupted. */
  readonly cleanups: Cleanup[];
  readonly say: (line: string) => void;
}

export type Cleanup = () => Promise<unknown>;

/** A fault as it was planned, and whether it was seen to have struck. */
export interface StruckFault {
  readonly name: FaultName;
  readonly hasStruck: boolean;
}

export interface Observation {
  readonly operations: number;
  readonly faults: readonly StruckFault[];
  readonly restarts: number;
  /** Client calls by status or error. */
  readonly seenByClients: ReadonlyMap<string, number>;
  readonly recoveries: Latency;
  readonly counters: Counters;
  readonly planted: readonly Planted[];
  readonly races: Races;
  /** What was still under way when it should have been quiet. */
  readonly unrest: Unrest;
  readonly quietAfterMs: number;
  readonly wrongAnswers: readonly string[];
  readonly tailFailures: readonly string[];
  /** Rounds of the oracles beside the load, and at the end. */
  readonly rounds: number;
  readonly asked: number;
  /** Checks that could not be asked, with the reason. */
  readonly notAsked: readonly string[];
  /** Nothing moved while the last round was read. */
  readonly isQuiet: boolean | null;
  readonly replayed: ReplayedAll;
  readonly violations: readonly Violation[];
  /** Effects that were delivered more than once, by activity's branch. */
  readonly endings: ReadonlyMap<string, number>;
  readonly parked: readonly string[];
  /** What the databases say when all is quiet. */
  readonly facts: Facts;
  readonly carried: Carried;
}

/** How the transactions were carried. */
export interface Carried {
  /** Workflows that own rows when all is quiet. */
  readonly owners: number;
  /** Those of them that are batches of several. */
  readonly batches: number;
}

const warmUpMs = 5_000;
const roundEveryMs = 1_500;
const settledWithinMs = 90_000;
const coverageWithinMs = 60_000;
const quietWithinMs = 150_000;
/** A planted bug that keeps things from their ending has shown itself by then. */
const quietWithBugWithinMs = 40_000;
const tailOfEach = 5;

/** Velocity would have every payer looked at after twenty payments. */
const riskPolicy = JSON.stringify({ velocity: { windowMs: 3_600_000, max: 10_000, score: 50 } });

export async function runChaos(options: ChaosOptions): Promise<Observation> {
  const { stack, cleanups, build } = options;
  const proxies = await openProxies(stack);
  cleanups.push(() => Promise.all(Object.values(proxies).map((proxy) => proxy.close())));
  const isolated = await openIsolatedEnvironment({
    stack,
    kind: 'chaos',
    ...(build && { site: { build } }),
    through: ({ urls }) =>
      Promise.resolve({
        urls: throughProxy(urls, proxies.mysql.port),
        stack: {
          ...stack,
          redis: { url: proxies.redis.url },
          kafka: { brokers: [proxies.kafka.address] },
          temporal: { ...stack.temporal, address: proxies.temporal.address },
        },
      }),
  });
  cleanups.push(() => isolated.close());
  await seedWorld(isolated);
  await installTriggerLog((...query) => isolated.sql(...query));
  cleanups.push(() => bringServersBack(options.profile));
  const supervisor = await supervise(isolated.application, crewOf(options, proxies.lastWorker));
  cleanups.push(() => supervisor.stop());
  return observe(options, { profile: options.profile, isolated, supervisor, proxies });
}

async function openProxies({ mysql, redis, kafka, temporal }: Stack): Promise<Reach['proxies']> {
  const [broker = ''] = kafka.brokers;
  const line = `tcp://${temporal.address}`;
  return {
    mysql: await createProxy({ target: mysql.adminUrl }),
    redis: await createProxy({ target: redis.url }),
    kafka: await createProxy({ target: `kafka://${broker}` }),
    temporal: await createProxy({ target: line }),
    lastWorker: await createProxy({ target: line }),
  };
}

/** Orders that are undone, and then asked for once more. */
const lateActs = 4;

/** The last worker has a line of its own to Temporal, so that one of them can be cut off alone. */
function crewOf(
  { workers, lane, faults = '' }: ChaosOptions,
  lastWorker: Proxy,
): ReadonlyMap<string, Crew> {
  const variables = { STUCK_ALARM_SECONDS: '5', FAULTS: faults };
  const last = { ...variables, TEMPORAL_ADDRESS: lastWorker.address };
  return new Map<string, Crew>([
    ['api', { role: 'api', variables: { RISK_POLICY: riskPolicy, LANES: lane } }],
    ...Array.from(
      { length: workers },
      (_, at) =>
        [
          `worker-${at + 1}`,
          { role: 'worker', variables: at === workers - 1 ? last : variables },
        ] as const,
    ),
    ['relay', { role: 'relay' }],
    ['consumer', { role: 'consumer' }],
  ]);
}

async function observe(options: ChaosOptions, reach: Reach): Promise<Observation> {
  const { random, say, plan } = options;
  const { isolated, supervisor } = reach;
  const as = (owner: string, scopes: readonly (Scope | 'ops')[]) =>
    authorizationOf(isolated.urls.API_DATABASE_URL, { tenant, owner, scopes });
  const authorization = await as('chaos', ['tx:start', 'tx:read', 'tx:cancel', 'ops']);
  const api = createApiClient(isolated.application.apiUrl, authorization);
  const reviewer = createApiClient(
    isolated.application.apiUrl,
    await as('chaos-reviewer', ['tx:read', 'payments:review']),
  );
  const history = openHistory(options.historyFile);
  const counting = watchCounters(isolated.application, supervisor.namesOf('worker'));
  const books = watchInvariants(openInvariants(isolated.urls.VERIFY_DATABASE_URLS));
  say('Racing acts against their undos …');
  const [races] = await Promise.all([
    raceActsAgainstUndos(isolated, { build: options.build, random: random.fork('races') }),
    plantLateActs(isolated, api, lateActs),
  ]);
  const load = startLoad({
    api,
    reviewer,
    history,
    random: random.fork('load'),
    clients: options.clients,
  });
  const prober = startProber(api);

  const deploy = rollout(options, supervisor);
  say(`Warm-up, ${options.clients} clients …`);
  const planted = [await plantParked(isolated, api, 'planted-1')];
  await plantAbandoned(isolated, api, 'abandoned');
  await plantUnheard(api);
  await plantLostLease(isolated, api, () => faultMenu['redis-emptied'].strike(reach, 0, random));
  await pause(warmUpMs);
  const faults = await strikeAll(plan, reach, {
    random,
    say,
    recovered: () => prober.recovered(),
    before: (share) => deploy(share),
  });

  say('The faults are over; load again …');
  await bringServersBack(options.profile);
  await supervisor.settled(settledWithinMs);
  const [failedJobs] = await Promise.all([runJobs(isolated), pause(options.afterMs)]);
  if (!options.build) await untilCovered(history, options.minutes); // A planted bug shows itself before.
  planted.push(await plantParked(isolated, api, 'planted-2'));
  await Promise.all([load.stop(), prober.stop()]);

  say('No more load; waiting for open transactions …');
  const stoppedAt = Date.now();
  const withinMs = options.build ? quietWithBugWithinMs : quietWithinMs;
  const unrest = await untilQuiet(isolated, reviewer, withinMs);
  const quietAfterMs = Date.now() - stoppedAt;
  const tailFailures = [...failedJobs, ...(await load.tail(tailOfEach))];
  await finishReviews(isolated, reviewer);
  const unrestAfter = await untilQuiet(isolated, reviewer, withinMs);
  await books.stop();
  await counting.stop();
  say('Running the checks …');
  const last = await askAtTheEnd(isolated, options, authorization);
  say('Replaying every history …');
  const replayed = await replayEvery(isolated, options.next ?? options.build);
  return {
    operations: load.operations + prober.orders,
    faults,
    restarts: supervisor.restarts,
    seenByClients: api.seen,
    recoveries: prober.recoveries(),
    counters: counting.read(),
    planted,
    races,
    unrest: [...unrest, ...unrestAfter],
    quietAfterMs,
    wrongAnswers: load.wrongAnswers,
    tailFailures,
    rounds: books.rounds() + 1,
    asked: last.asked,
    notAsked: last.checks.flatMap(({ verdict, oracle, because }) =>
      verdict === 'not asked' ? [`${oracle}: ${because ?? ''}`] : [],
    ),
    isQuiet: last.isQuiet,
    replayed,
    violations: [...books.violations(), ...last.violations],
    endings: await endingsOf(isolated),
    parked: await parkedOf(isolated),
    facts: await readFacts((...query) => isolated.sql(...query)),
    carried: await carriedOf(isolated),
  };
}

async function carriedOf(isolated: IsolatedEnvironment): Promise<Carried> {
  const rows = await isolated.sql<{ owner: string; items: number }>(
    'accord',
    'SELECT owner, COUNT(*) AS items FROM runs GROUP BY owner',
  );
  return { owners: rows.length, batches: rows.filter(({ items }) => items > 1).length };
}

/** A slow machine is through with its faults before enough has happened: the load goes on, for a while. */
async function untilCovered(history: History, minutes: number): Promise<void> {
  const deadline = Date.now() + coverageWithinMs;
  const isOver = (): boolean => {
    const { taken, byKind } = history.counts;
    return isCovered(taken, byKind, minutes) || Date.now() > deadline;
  };
  while (!isOver()) await pause(500);
}

/** Old and new code on one queue: one worker has the next release for a third of the faults, then the others get it. */
function rollout(
  { next, say }: ChaosOptions,
  supervisor: Reach['supervisor'],
): (share: number) => Promise<void> {
  const [first = '', ...others] = supervisor.namesOf('worker');
  const stages = [
    { from: 1 / 3, names: [first] },
    { from: 2 / 3, names: others },
  ];
  return async (share) => {
    const [stage] = stages;
    if (!next || !stage || share < stage.from) return;
    stages.shift();
    say(`  the next release is deployed to ${stage.names.join(', ')}`);
    await supervisor.roll(stage.names, next);
  };
}

async function strikeAll(
  plan: readonly PlannedFault[],
  reach: Reach,
  {
    random,
    say,
    recovered,
    before,
  }: {
    readonly random: Random;
    readonly say: (line: string) => void;
    readonly recovered: () => Promise<number>;
    /** Told which share of the faults is over. */
    readonly before: (share: number) => Promise<void>;
  },
): Promise<readonly StruckFault[]> {
  const struck: StruckFault[] = [];
  for (const [at, { name, ms, calmMs }] of plan.entries()) {
    await before(at / plan.length);
    const hasStruck = await faultMenu[name].strike(reach, ms, random).catch((error: unknown) => {
      say(`  ${name}: ${reasonOf(error)}`);
      return false;
    });
    struck.push({ name, hasStruck });
    void recovered().then((after) =>
      say(
        `  ${at + 1}/${plan.length} ${name}${hasStruck ? '' : ' hit nothing'}; an order was completed ${after} ms after it`,
      ),
    );
    await pause(calmMs);
  }
  return struck;
}

/** The jobs, beside the load: what is under way is none of their business. @returns a sentence for each that failed. */
async function runJobs(isolated: IsolatedEnvironment): Promise<readonly string[]> {
  const jobs = [
    ['recover', [{ dryRun: false }]],
    ['reconcile', [{ dryRun: false }]],
    ['retention', []],
  ] as const;
  const failed = await Promise.all(
    jobs.map(([job, args]) =>
      runJob(isolated, job, args).then(
        () => [],
        (error: unknown) => [`the job ${job} failed: ${reasonOf(error)}`],
      ),
    ),
  );
  return failed.flat();
}

/** The oracles, beside the load, again and again. A server that is away answers nothing: that is no violation. */
function watchInvariants(books: OpenInvariants) {
  const violations: Violation[] = [];
  let rounds = 0;
  let isStopping = false;
  async function watch(): Promise<void> {
    while (!isStopping) {
      try {
        for (const scope of ['moment', 'ended'] as const) {
          violations.push(...(await books.check(scope)).violations);
        }
        rounds += 1;
      } catch {
        // MySQL is away.
      }
      await pause(roundEveryMs);
    }
    await books.close();
  }
  const watching = watch();
  return {
    rounds: () => rounds,
    violations: () => violations,
    async stop() {
      isStopping = true;
      await watching;
    },
  };
}

/**
 * Checks at the end, also those that need other servers: records of Kafka, runs of Temporal, explanations of the API.
 */
function askAtTheEnd(
  isolated: IsolatedEnvironment,
  { stack, historyFile }: ChaosOptions,
  authorization: string,
): Promise<InvariantRound> {
  const books = openInvariants({
    verifyUrls: isolated.urls.VERIFY_DATABASE_URLS,
    kafka: { brokers: stack.kafka.brokers, topicPrefix: isolated.topicPrefix },
    temporal: isolated.temporal,
    api: { url: isolated.application.apiUrl, authorization, tenant },
    accepted: () => acceptedIn(historyFile),
  });
  return books.check('quiescent').finally(() => books.close());
}

/** What clients were told is accepted. */
const acceptedIn = (historyFile: string): readonly Gid[] => [
  ...new Set(
    readHistory(historyFile).flatMap(({ type, f, value: { gid } }) =>
      type === 'ok' && isFlow(f) && gid !== undefined ? [gid] : [],
    ),
  ),
];
const isFlow = (kind: string): boolean => flowNames.some((flow) => flow === kind);

async function endingsOf(isolated: IsolatedEnvironment): Promise<ReadonlyMap<string, number>> {
  const rows = await isolated.sql<{ flow: string; state: string; n: string }>(
    'accord',
    'SELECT flow, state, COUNT(*) AS n FROM runs GROUP BY flow, state ORDER BY flow, state',
  );
  return new Map(rows.map(({ flow, state, n }) => [`${flow} ${state}`, Number(n)]));
}

async function parkedOf(isolated: IsolatedEnvironment): Promise<readonly string[]> {
  const rows = await isolated.sql<{ gid: string }>(
    'accord',
    `SELECT gid FROM runs WHERE state = 'parked'`,
  );
  return rows.map(({ gid }) => gid);
}

async function bringServersBack(profile: Profile): Promise<void> {
  for (const name of serversOf(profile)) {
    if (!serverProcess(profile, name)) {
      await restartServer(profile, name, { report: () => undefined });
    }
  }
}

/** Every address of a database, with the proxy in the place of the server. */
function throughProxy(urls: DatabaseUrls, port: number): DatabaseUrls {
  const entries = Object.entries(urls).map(([name, list]) => [
    name,
    list
      .split(',')
      .map((address) => {
        const url = new URL(address);
        url.hostname = '127.0.0.1';
        url.port = String(port);
        return url.toString();
      })
      .join(','),
  ]);
  return Object.fromEntries(entries) as DatabaseUrls; // The same names.
}
