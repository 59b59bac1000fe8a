/** One drill: load, a fault, the switch, the way back, and the count of what was acknowledged. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Build, Variables } from '../application';
import { openBooks } from '../books';
import { authorizationOf } from '../credentials';
import { seedTenant } from '../seed';
import { folderOf, type Region } from '../stack/profile';
import { pause, reasonOf } from '../stack/waiting';
import { startClients, type ClientRecord } from './clients';
import { hubUrlOf, type Cluster } from './cluster';
import {
  databaseOf,
  endingsOf,
  forgetEarlierSwitches,
  hubEpoch,
  prepareTable,
  untilAllEnded,
  writesIn,
} from './counting';
import type { Ended, Operators } from './operators';
import { rolesOf } from './roles';
import { holdApplier, strikes, type Strike, type Struck } from './strikes';
import { refusesWrites, startWriters, type Writers } from './writers';

export const drillKinds = [
  'planned',
  'crash',
  'partition',
  'freeze',
  'flap',
  'failback',
  'worker-killed',
] as const;
export type DrillKind = (typeof drillKinds)[number];

export interface DrillReport {
  readonly kind: DrillKind;
  /** Where the failover's own worker was killed; `null`: nowhere. */
  readonly killedAt: string | null;
  readonly from: Region;
  readonly to: Region;
  /** Writes of SQL and starts over HTTP. */
  readonly acked: number;
  /** Acknowledged, and not in the region that is active now. */
  readonly lost: number;
  readonly unknown: number;
  readonly unknownApplied: number;
  /** The longest time in which no write was acknowledged. */
  readonly writeGapMs: number;
  /** How long before the fault the first write was made that is lost; 0: none is. */
  readonly rpoMs: number;
  /** From the fault, or the order, until a write was acknowledged in the new epoch; injected detection is part of it. */
  readonly rtoMs: number;
  readonly refusedStaleWrites: number;
  /** Writes in an epoch that was over, or to the old region, acknowledged behind the promotion. */
  readonly ackedStaleWrites: number;
  /** How long each step of the switch took. */
  readonly steps: Readonly<Record<string, number>>;
  readonly rejoinMs: number;
  readonly started: {
    readonly accepted: number;
    readonly endings: Readonly<Record<string, number>>;
  };
  /** Checks of the books that were asked when all had ended. */
  readonly asked: number;
  /** Promises that were broken, a sentence each. */
  readonly broken: readonly string[];
}

/** How a kind is drilled. */
interface Plan {
  /** What happens. */
  readonly sentence: string;
  readonly strike: keyof typeof strikes;
  /** The standby is behind when it happens. */
  readonly isBehind: boolean;
  readonly isPlanned: boolean;
  /** Nobody asks: the watch decides by itself. */
  readonly isWatched?: true;
  readonly rtoMaxMs: number;
}

const plans: Readonly<Record<Exclude<DrillKind, 'failback' | 'worker-killed'>, Plan>> = {
  planned: {
    sentence: 'the other one is made active',
    strike: 'none',
    isBehind: false,
    isPlanned: true,
    rtoMaxMs: 5_000,
  },
  crash: {
    sentence: 'its MySQL is killed',
    strike: 'kill',
    isBehind: true,
    isPlanned: false,
    rtoMaxMs: 5_000,
  },
  freeze: {
    sentence: 'its MySQL is stopped: alive, and silent',
    strike: 'freeze',
    isBehind: true,
    isPlanned: false,
    rtoMaxMs: 5_000,
  },
  partition: {
    sentence: 'hub and standby do not reach it any more',
    strike: 'partition',
    isBehind: true,
    isPlanned: false,
    rtoMaxMs: 12_000,
  },
  flap: {
    sentence: 'its links come and go, then its MySQL is killed',
    strike: 'flap',
    isBehind: false,
    isPlanned: false,
    rtoMaxMs: 12_000, // The watch wants to be sure that it is no flapping.
    isWatched: true,
  },
};

const writers = { app: 8, stale: 2, zombie: 2 } as const;
const warmUpMs = 2_500;
const afterMs = 2_500;
/** What a watcher would take to be sure. */
const detectionMs = 1_500;
const plannedGapMaxMs = 2_000;
/** How far a standby is behind, and how long a drain has to wait for it. */
const behindMs = 300;
const endWithinMs = 60_000;
const noticedWithinMs = 15_000;
const lookEveryMs = 50;

export interface DrillSite {
  readonly cluster: Cluster;
  readonly operators: Operators;
  /** What the failover worker runs instead of the shipped build. */
  readonly build?: Build | undefined;
  /** How long it took is judged, too. */
  readonly isTimed: boolean;
  readonly say: (line: string) => void;
}

/** @returns a report for each switch that was drilled. */
export async function runDrill(kind: DrillKind, site: DrillSite): Promise<readonly DrillReport[]> {
  switch (kind) {
    case 'failback':
      // Lost, brought back, and made the active one again: where it began.
      return [
        await once({ ...site, kind, plan: plans.crash }),
        await once({ ...site, kind, plan: plans.planned }),
      ];
    case 'worker-killed': {
      const reports: DrillReport[] = [];
      for (const kill of workerFaults) {
        site.say(`  the worker dies at ${kill}`);
        reports.push(
          await once({ ...site, kind, plan: { ...plans.planned, rtoMaxMs: 30_000 }, kill }),
        );
      }
      return reports;
    }
    default:
      return [await once({ ...site, kind, plan: plans[kind] })];
  }
}

/** Behind each step's effect, before anybody has heard of it, and before each step. */
const workerFaults = [
  'beginSwitch',
  'closeRoutes',
  'fenceRegion',
  'drainRegion',
  'measureLoss',
  'burnEpoch',
  'promoteRegion',
  'promoteRedis',
  'republish',
  'openRoutes',
  'endSwitch',
].flatMap((step) => [`regions.${step}:before`, `regions.${step}:beforeAck`]);

interface Once extends DrillSite {
  readonly kind: DrillKind;
  readonly plan: Plan;
  /** Where the failover worker dies, as FAULTS names it. */
  readonly kill?: string;
}

async function once({ kind, plan, kill, ...site }: Once): Promise<DrillReport> {
  const { cluster, operators, say } = site;
  const hubUrl = hubUrlOf(cluster.stack);
  const { active: from, standby: to } = await rolesOf(hubUrl);
  const struck: Struck = { cluster, from, to };
  if (plan.isWatched) await letWatchAct(site, hubUrl);
  const faults = kill === undefined ? {} : { FAULTS: `${kill}:kill:1` };
  const watch = plan.isWatched ? { REGION_WATCH: 'on' } : {};
  const worker = await failoverWorker(site, { ...faults, ...watch });
  const load = await startLoad(struck);
  try {
    await pause(warmUpMs);
    const behind = plan.isBehind ? await holdApplier(struck) : undefined;
    if (behind) await pause(behindMs); // What is acknowledged now is in the standby's relay log alone.
    const fault: Strike = strikes[plan.strike];
    say(`  region ${from} is active; ${plan.sentence}`);
    await fault.strike(struck);
    const faultAt = Date.now();
    const gid = await switched(site, struck, plan, faultAt);
    if (behind) {
      await operators.untilBegun(gid, 'drainRegion');
      await pause(behindMs);
      behind.release();
    }
    const ended = await operators.untilEnded(gid);
    say(`  ${gid} is ${ended.state} after ${Date.now() - faultAt} ms`);
    const isOldFenced = await refusesWrites(
      databaseOf(cluster.addresses.regions[from].straight.mysqlUrl),
    );
    await pause(afterMs);
    const stopped = await load.stop();
    await fault.heal(struck);
    if (ended.state !== 'completed')
      throw new Error(`${gid} is ${ended.state}: ${ended.summary} ${failureIn(ended)}`);
    const counted = await count(struck, { ...stopped, faultAt, promotedAt: promotedAt(ended) });
    say(`  region ${from} comes back …`);
    const rejoined = await operators
      .askRejoin(from)
      .then(operators.untilEnded)
      .catch((error: unknown) => ({ state: 'stuck', summary: reasonOf(error), steps: [] }));
    const judged = await judge(struck, stopped.clients);
    const report = {
      ...{ kind, killedAt: kill ?? null, from, to },
      ...counted,
      steps: Object.fromEntries(ended.steps.map((step) => [step.name, lengthOf(step)])),
      rejoinMs: rejoined.steps.reduce((sum, step) => sum + lengthOf(step), 0),
      started: { accepted: stopped.clients.accepted.length, endings: judged.endings },
      asked: judged.asked,
    };
    const found = [
      ...judged.violations,
      ...(isOldFenced ? [] : ['the old region does not refuse a write.']),
      ...(rejoined.state === 'completed'
        ? []
        : [`the rejoin is ${rejoined.state}: ${rejoined.summary}`]),
    ];
    return {
      ...report,
      broken: [
        ...brokenBy(report, plan),
        ...(site.isTimed ? slowBy(report, plan) : []),
        ...found.map((one) => `${kind}: ${one}`),
      ],
    };
  } finally {
    await load.stop();
    await worker.stop();
  }
}

/** Asks as people do, once they have noticed; or leaves it to the watch. @returns the gid of the switch. */
async function switched(
  { operators }: DrillSite,
  { from, to }: Struck,
  { isPlanned, isWatched }: Plan,
  faultAt: number,
): Promise<string> {
  if (isWatched) {
    const gid = await operators.untilAccepted(faultAt, noticedWithinMs);
    if (gid === undefined) throw new Error('The watch has not noticed that the region is lost.');
    return gid;
  }
  if (!isPlanned) await pause(detectionMs);
  const kind = isPlanned ? 'planned' : 'unplanned';
  return operators.ask({ from, to, kind, reason: 'A drill.' });
}

const lengthOf = ({ startedAt, endedAt }: Ended['steps'][number]): number =>
  endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt);

const promotedAt = ({ steps }: Ended): number =>
  Date.parse(steps.find(({ name }) => name === 'promoteRegion')?.endedAt ?? '');

const failureIn = ({ steps }: Ended): string =>
  steps.flatMap(({ name, detail }) => (detail === null ? [] : [`${name}: ${detail}`])).join(' ');

/** Clients with SQL and clients of the API, until both have stopped. */
async function startLoad({ cluster, from }: Struck) {
  const { stack, addresses, urls, application } = cluster;
  await prepareTable(databaseOf(addresses.mysqlUrl));
  const epoch = (): Promise<number> => hubEpoch(hubUrlOf(stack));
  const sql = startWriters(
    {
      routed: databaseOf(addresses.mysqlUrl),
      straight: databaseOf(addresses.regions[from].straight.mysqlUrl),
      epoch,
    },
    writers,
    await epoch(),
  );
  const folder = join(folderOf('regions'), 'drills');
  mkdirSync(folder, { recursive: true });
  const clients = startClients({
    apiUrl: application.apiUrl,
    authorization: await authorizationOf(urls.API_DATABASE_URL, {
      tenant: seedTenant,
      owner: 'drill',
      scopes: ['tx:start', 'tx:read'],
    }),
    file: join(folder, `${new Date().toISOString().replaceAll(':', '-')}.accepted`),
  });
  let stopping: Promise<{ readonly sql: Writers; readonly clients: ClientRecord }> | undefined;
  const stop = async () => {
    const [record] = await Promise.all([clients.stop(), sql.stop()]);
    return { sql, clients: record };
  };
  return { stop: () => (stopping ??= stop()) };
}

async function letWatchAct({ operators }: DrillSite, hubUrl: string): Promise<void> {
  await forgetEarlierSwitches(hubUrl);
  await operators.setAutoFailover(true);
}

/** The failover worker, started again whenever it is gone. @param first variables of its first start alone. */
async function failoverWorker({ cluster, build }: DrillSite, first: Variables) {
  const { application, processes } = cluster;
  const { role, variables } = processes.get('failover') ?? {};
  if (!role) throw new Error('The cluster has no failover worker.');
  const start = (more: Variables): Promise<boolean> =>
    application.start(role, 'failover', { ...variables, ...more }, build);
  const isSpecial = Object.keys(first).length > 0 || build !== undefined;
  if (isSpecial) {
    await application.stop('failover');
    await start(first);
  }
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      if (!application.process('failover')) await start({});
      await pause(lookEveryMs);
    }
  })();
  watching.catch(() => undefined); // Told when it is stopped.
  return {
    async stop() {
      over.abort();
      await watching;
      if (!isSpecial) return;
      await application.stop('failover');
      await start({});
    },
  };
}

async function count(
  { cluster, to }: Struck,
  {
    sql,
    clients,
    faultAt,
    promotedAt: promoted,
  }: {
    readonly sql: Writers;
    readonly clients: ClientRecord;
    readonly faultAt: number;
    readonly promotedAt: number;
  },
) {
  const there = await writesIn(databaseOf(cluster.addresses.regions[to].straight.mysqlUrl));
  const [app, stale, zombie] = (['app', 'stale', 'zombie'] as const).map((of) =>
    sql.record(of),
  ) as [
    ReturnType<Writers['record']>,
    ReturnType<Writers['record']>,
    ReturnType<Writers['record']>,
  ];
  const all = [app, stale, zombie];
  const acked = all.flatMap((record) => [...record.acked]);
  const unknown = all.flatMap((record) => [...record.unknown]);
  const lost = acked.filter(([id]) => !there.has(id));
  const since = [...app.acked.values()].filter((at) => at > promoted);
  const behind = [stale, zombie].flatMap((record) => [...record.acked.values()]);
  return {
    acked: acked.length + clients.accepted.length,
    lost: lost.length,
    unknown: unknown.length + clients.undecided,
    unknownApplied: unknown.filter((id) => there.has(id)).length,
    writeGapMs: app.gapMs,
    rpoMs: Math.max(0, ...lost.map(([, at]) => faultAt - at)),
    rtoMs: (since.length > 0 ? Math.min(...since) : Date.now()) - faultAt,
    refusedStaleWrites: stale.stale + zombie.stale,
    ackedStaleWrites: behind.filter((at) => at > promoted).length,
  };
}

/** What was accepted has ended, as it would have without a switch, and the books are in order. */
async function judge({ cluster }: Struck, { accepted, undecided }: ClientRecord) {
  const hubUrl = hubUrlOf(cluster.stack);
  const open = await untilAllEnded(hubUrl, endWithinMs);
  const endings = await endingsOf(hubUrl, accepted);
  const books = openBooks(cluster.urls.VERIFY_DATABASE_URLS);
  const { asked, violations } = await books.check('ended').finally(() => books.close());
  const moved = Object.entries(endings).filter(([state]) => state !== 'completed');
  return {
    endings,
    asked,
    violations: [
      ...(open === 0 ? [] : [`${open} transactions have not ended.`]),
      ...(undecided === 0 ? [] : [`${undecided} starts are of unknown outcome for good.`]),
      ...moved.map(([state, n]) => `${n} orders are ${state} because of a switch.`),
      ...violations.map(({ oracle, row }) => `${oracle}: ${JSON.stringify(row)}`),
    ],
  };
}

type Counted = Omit<DrillReport, 'broken'>;

function brokenBy(
  { kind, lost, unknown, ackedStaleWrites }: Counted,
  plan: Plan,
): readonly string[] {
  return [
    ...(lost === 0 ? [] : [`${lost} acknowledged writes are lost.`]),
    ...(ackedStaleWrites === 0 ? [] : [`${ackedStaleWrites} stale writes were acknowledged.`]),
    ...(isCalm(kind, plan) && unknown > 0 ? [`${unknown} outcomes are unknown.`] : []),
  ].map((sentence) => `${kind}: ${sentence}`);
}

function slowBy({ kind, writeGapMs, rtoMs }: Counted, plan: Plan): readonly string[] {
  const { rtoMaxMs } = plan;
  return [
    ...(isCalm(kind, plan) && writeGapMs > plannedGapMaxMs
      ? [`no write for ${writeGapMs} ms.`]
      : []),
    ...(rtoMs <= rtoMaxMs ? [] : [`back after ${rtoMs} ms, ${rtoMaxMs} ms are allowed.`]),
  ].map((sentence) => `${kind}: ${sentence}`);
}

/** Nothing fails in it but what it does itself. */
const isCalm = (kind: DrillKind, { isPlanned }: Plan): boolean =>
  isPlanned && kind !== 'worker-killed';
