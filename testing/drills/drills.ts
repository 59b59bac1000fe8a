/** One drill: load, a fault, the switch, the way back, and the count of what was acknowledged. */
import { askAgent } from '../../activities/regions/switch/agent-client';
import { allowFaults, type Build } from '../environment/application';
import { interruption } from '../environment/interruption';
import type { Region } from '../stack/profile';
import { takeDown } from '../stack/stack';
import { pause, reasonOf } from '../../runtime/waiting';
import { bringUpCluster, hubUrlOf, type Cluster } from './cluster';
import { databaseOf, forgetEarlierSwitches } from './durability-check';
import { brokenBy, count, judge, slowBy, type DrillReport } from './evaluation';
import { keepFailoverWorker, startLoad } from './load';
import {
  fewLostRuns,
  lossWays,
  plans,
  workerFaults,
  type DrillKind,
  type LostRun,
  type Plan,
} from './plans';
import { epochAdvancedAt, loseRun } from './losing-runs';
import type { Ended, Operators } from './operators';
import { rolesOf } from './roles';
import { holdApplier, regionFaults, writeErrant, type Struck } from './region-faults';
import { refusesWrites } from './writers';

const coldMs = 30_000;
const warmUpMs = 2_500;
const afterMs = 2_500;
/** What a watcher would take to be sure. */
const detectionMs = 1_500;
/** How far a standby is behind, and how long a drain has to wait for it. */
const behindMs = 300;
const noticedWithinMs = 15_000;
/** Who loses a run has to find that out, and to go on with it: no promise of time is about that. */
const lostRtoMaxMs = 120_000;
const bootMs = 20_000;

export interface DrillSite {
  readonly cluster: Cluster;
  readonly operators: Operators;
  /** What the failover worker runs instead of the shipped build. */
  readonly build?: Build | undefined;
  /** How long it took is judged, too. */
  readonly isTimed: boolean;
  /** Runs that are lost, one after the other; left out: few of them. */
  readonly lostRuns?: readonly LostRun[];
  readonly say: (line: string) => void;
}

interface Running extends DrillSite {
  /** Aborted when the drill is interrupted: its processes must not be started again. */
  readonly signal: AbortSignal;
}

/** What was drilled, and why it ended before its end: the cluster is not fit for another one then. */
export interface Drilled {
  readonly drills: readonly DrillReport[];
  /** `null`: all was done. */
  readonly stoppedBy: string | null;
}

/**
 * Each kind so often, one after the other. Stops at the first drill that could not be done, or at Ctrl-C; what is known
 * by then is told all the same.
 */
export async function runDrills(
  kinds: readonly DrillKind[],
  times: number,
  site: DrillSite,
): Promise<Drilled> {
  const drills: DrillReport[] = [];
  const interrupted = interruption();
  const stopping = new AbortController();
  interrupted.catch(() => stopping.abort());
  const running = { ...site, signal: stopping.signal };
  if (site.isTimed) await Promise.race([warmUp(site), interrupted]);
  for (const [at, kind] of kinds.flatMap((each) => Array<DrillKind>(times).fill(each)).entries()) {
    const name = `${kind}, ${(at % times) + 1} of ${times}`;
    site.say(`${name} …`);
    try {
      await Promise.race([runDrill(kind, running, (drill) => drills.push(drill)), interrupted]);
    } catch (error) {
      return { drills, stoppedBy: `${name}: ${reasonOf(error)}` };
    }
  }
  return { drills, stoppedBy: null };
}

/**
 * Servers and processes that were started a moment ago are busy with themselves: the first drill would tell of that.
 */
async function warmUp({ cluster, say }: DrillSite): Promise<void> {
  say('Warm-up: load without a fault …');
  const { active: from } = await rolesOf(hubUrlOf(cluster.stack));
  const load = await startLoad({ cluster, from });
  await pause(coldMs).finally(() => load.stop());
}

/** @param report told of each switch, as soon as it is judged: what comes behind it may not be done. */
async function runDrill(
  kind: DrillKind,
  site: Running,
  report: (drill: DrillReport) => void,
): Promise<void> {
  switch (kind) {
    case 'failback':
      // Lost, brought back, and made the active one again: where it began.
      report(await once({ ...site, kind, plan: plans.crash }));
      report(await once({ ...site, kind, plan: plans.planned }));
      return;
    case 'rebuild':
      report(await rebuilt(site));
      return;
    case 'worker-killed':
      for (const kill of workerFaults) {
        site.say(`  the worker dies at ${kill}`);
        report(await once({ ...site, kind, plan: { ...plans.planned, rtoMaxMs: 30_000 }, kill }));
      }
      return;
    case 'lost-run':
      for (const lost of site.lostRuns ?? fewLostRuns) report(await runLost(site, lost));
      return;
    default:
      report(await once({ ...site, kind, plan: plans[kind] }));
  }
}

interface Once extends Running {
  readonly kind: DrillKind;
  readonly plan: Plan;
  /** Where the failover worker dies, as FAULTS names it. */
  readonly kill?: string;
}

async function once({ kind, plan, kill, ...site }: Once): Promise<DrillReport> {
  const { cluster } = site;
  const { active: from, standby: to } = await rolesOf(hubUrlOf(cluster.stack));
  const struck: Struck = { cluster, from, to };
  if (plan.isWatched) await letWatchAct(site);
  const faults = kill === undefined ? {} : { ...allowFaults, FAULTS: `${kill}:kill:1` };
  const watch = plan.isWatched ? { REGION_WATCH: 'on' } : {};
  const worker = await keepFailoverWorker(site, { ...faults, ...watch });
  const load = await loadBeside(worker, struck);
  try {
    const moved = await struckAndSwitched(site, struck, plan);
    const told = await load.stop();
    await regionFaults[plan.strike].heal(struck);
    const { ended, faultAt } = moved;
    if (ended.state !== 'completed')
      throw new Error(`The switch is ${ended.state}: ${ended.summary} ${failureIn(ended)}`);
    const counted = await count(struck, told, { faultAt, promotedAt: promotedAt(ended) });
    const rejoined = await comeBack(site, from);
    const judged = await judge(struck, told.clients, site.isTimed);
    const report = {
      ...{ kind, killedAt: kill ?? null, from, to },
      ...counted,
      steps: Object.fromEntries(ended.steps.map((step) => [step.name, lengthOf(step)])),
      ...rejoinOf(rejoined),
      started: { accepted: told.clients.accepted.length, endings: judged.endings },
      asked: judged.asked,
    };
    return withJudgement(report, plan, site, [
      ...judged.violations,
      ...moved.violations,
      ...failureOf(rejoined),
    ]);
  } finally {
    await load.stop();
    await worker.stop();
    if (plan.isWatched) await site.operators.setAutoFailover(false);
  }
}

/** Without load there is no drill, and its worker must not be kept running. */
const loadBeside = (
  worker: { readonly stop: () => Promise<void> },
  where: Parameters<typeof startLoad>[0],
): ReturnType<typeof startLoad> =>
  startLoad(where).catch(async (error: unknown) => {
    await worker.stop();
    throw error;
  });

/** Under load: something befalls the active region, the other one takes its place, and the load goes on for a while. */
async function struckAndSwitched(site: DrillSite, struck: Struck, plan: Plan) {
  const { operators, say, cluster } = site;
  const { from } = struck;
  await pause(warmUpMs);
  const behind = plan.isBehind ? await holdApplier(struck) : undefined;
  if (behind) await pause(behindMs); // What is acknowledged now is in the standby's relay log alone.
  say(`  region ${from} is active; ${plan.sentence}`);
  const struckAt = Date.now();
  await regionFaults[plan.strike].strike(struck);
  const faultAt = Date.now();
  const { gid, isEarly } = await switched(site, struck, plan, { struckAt, faultAt });
  await behind?.releaseInDrain(behindMs);
  const ended = await operators.untilEnded(gid);
  say(`  ${gid} is ${ended.state} after ${Date.now() - faultAt} ms`);
  const { straight } = cluster.addresses.regions[from];
  const isOldFenced = await refusesWrites(databaseOf(straight.mysqlUrl));
  await pause(afterMs);
  const violations = [
    ...(isOldFenced ? [] : ['the old region does not refuse a write.']),
    ...(isEarly ? ['the watch moved the region while its links only came and went.'] : []),
  ];
  return { ended, faultAt, violations };
}

/**
 * The run of a switch is lost while it is held, and somebody goes on with it: behind the advanced epoch it goes forward,
 * before it it is taken back. The region that was struck comes back meanwhile.
 */
async function runLost(site: Running, lost: LostRun): Promise<DrillReport> {
  const { cluster, operators, say } = site;
  const { gate, way, ending } = lost;
  const hubUrl = hubUrlOf(cluster.stack);
  const { active: from, standby: to } = await rolesOf(hubUrl);
  const struck: Struck = { cluster, from, to };
  const plan = { ...plans[lost.plan], rtoMaxMs: lostRtoMaxMs };
  const strike = regionFaults[plan.strike];
  say(`  ${lost.plan}: a switch at ${gate} is ${lossWays[way]}`);
  const worker = await keepFailoverWorker(site, { ...allowFaults, FAULTS: `${gate}:hang` });
  const load = await loadBeside(worker, struck);
  try {
    await pause(warmUpMs);
    await strike.strike(struck);
    const faultAt = Date.now();
    const { gid } = await switched(site, struck, plan, { struckAt: faultAt, faultAt });
    const release = (meanwhile: () => Promise<void>) => worker.kill(meanwhile);
    const restartAll = () => restarted(site);
    await loseRun({ stack: cluster.stack, hubUrl, release, restartAll }, gid, lost);
    await strike.heal(struck);
    if (!plan.isPlanned) await bootAgain(struck);
    const ended = await operators.untilEnded(gid);
    say(`  ${gid} is ${ended.state} after ${Date.now() - faultAt} ms`);
    if (ended.state !== ending)
      throw new Error(
        `The switch is ${ended.state}, not ${ending}: ${ended.summary} ${failureIn(ended)}`,
      );
    await pause(afterMs);
    const [active, other] = ending === 'completed' ? [to, from] : [from, to];
    const violations = await rolesBroken(struck, active, other);
    const told = await load.stop();
    const promotedAt = (await epochAdvancedAt(hubUrl, gid)) ?? Infinity;
    const counted = await count({ cluster, to: active }, told, { faultAt, promotedAt });
    const rejoined = await comeBack(site, other);
    const judged = await judge({ cluster }, told.clients, site.isTimed);
    const report = {
      ...{ kind: 'lost-run' as const, killedAt: `${lost.plan} ${gate} ${way}`, from, to: active },
      ...counted,
      ...(promotedAt === Infinity && { rtoMs: counted.writeGapMs }), // There was no promotion.
      steps: Object.fromEntries(ended.steps.map((each) => [each.name, lengthOf(each)])),
      ...rejoinOf(rejoined),
      started: { accepted: told.clients.accepted.length, endings: judged.endings },
      asked: judged.asked,
    };
    return withJudgement(report, plan, site, [
      ...judged.violations,
      ...violations,
      ...failureOf(rejoined),
    ]);
  } finally {
    await strike.heal(struck);
    await load.stop();
    await worker.stop();
  }
}

/** Servers and processes; the data stay. */
async function restarted({ cluster, say }: DrillSite): Promise<void> {
  const workers = [...cluster.processes.values()].filter(({ role }) => role === 'worker').length;
  await takeDown('regions');
  await bringUpCluster({ workers, watch: 'off', say });
}

/** The machine has power again, and starts its servers. They do not know their role. */
const bootAgain = ({ cluster, from }: Struck): Promise<unknown> =>
  askAgent(cluster.addresses.regions[from].agent, { start: true }, bootMs);

/** What the hub says is so, and nothing else. */
async function rolesBroken(
  { cluster }: Struck,
  active: Region,
  other: Region,
): Promise<readonly string[]> {
  const { active: named } = await rolesOf(hubUrlOf(cluster.stack));
  const addressOf = (region: Region): string =>
    databaseOf(cluster.addresses.regions[region].straight.mysqlUrl);
  return [
    ...(named === active ? [] : [`the hub names ${named}, not ${active}.`]),
    ...((await refusesWrites(addressOf(active))) ? [`region ${active} refuses a write.`] : []),
    ...((await refusesWrites(addressOf(other))) ? [] : [`region ${other} takes a write.`]),
  ];
}

/** The region that was left stands by again; where it does not, that is told, and not thrown. */
async function comeBack({ operators, say }: DrillSite, region: Region): Promise<Rejoined> {
  say(`  region ${region} comes back …`);
  try {
    return await operators.untilEnded(await operators.askRejoin(region));
  } catch (error) {
    return { state: 'stuck', summary: reasonOf(error), steps: [] };
  }
}

/** The standby has a SQL transaction of its own. It becomes a copy again, and no writer waits for it. */
async function rebuilt(site: Running): Promise<DrillReport> {
  const { cluster, say } = site;
  const { active, standby } = await rolesOf(hubUrlOf(cluster.stack));
  const worker = await keepFailoverWorker(site, {});
  const load = await loadBeside(worker, { cluster, from: active });
  try {
    await pause(warmUpMs);
    say(`  region ${active} is active; region ${standby} has a transaction of its own`);
    await writeErrant(cluster.addresses.regions[standby]);
    const faultAt = Date.now();
    const rejoined = await comeBack(site, standby);
    await pause(afterMs);
    const told = await load.stop();
    const now = { cluster, to: active };
    const counted = await count(now, told, { faultAt, promotedAt: Infinity }); // There is no promotion.
    const judged = await judge(now, told.clients, site.isTimed);
    const report = {
      ...{ kind: 'rebuild' as const, killedAt: null, from: active, to: active },
      ...{ ...counted, rtoMs: counted.writeGapMs },
      ...rejoinOf(rejoined),
      steps: {},
      started: { accepted: told.clients.accepted.length, endings: judged.endings },
      asked: judged.asked,
    };
    return withJudgement(report, plans.planned, site, [
      ...judged.violations,
      ...failureOf(rejoined),
    ]);
  } finally {
    await load.stop();
    await worker.stop();
  }
}

type Rejoined = Pick<Ended, 'state' | 'summary' | 'steps'>;

const rejoinOf = ({ steps }: Rejoined) => ({
  rejoinMs: steps.reduce((sum, step) => sum + lengthOf(step), 0),
});

const failureOf = ({ state, summary }: Rejoined): readonly string[] =>
  state === 'completed' ? [] : [`the rejoin is ${state}: ${summary}`];

const withJudgement = (
  report: Omit<DrillReport, 'broken'>,
  plan: Plan,
  { isTimed }: DrillSite,
  found: readonly string[],
): DrillReport => ({
  ...report,
  broken: [
    ...brokenBy(report, plan),
    ...(isTimed ? slowBy(report, plan) : []),
    ...found.map((one) => `${report.kind}: ${one}`),
  ],
});

/**
 * Asks as people do, once they have noticed; or leaves it to the watch.
 *
 * @returns the gid of the switch, and whether the watch began it before the region was lost.
 */
async function switched(
  { operators }: DrillSite,
  { from, to }: Struck,
  { isPlanned, isWatched }: Plan,
  { struckAt, faultAt }: { readonly struckAt: number; readonly faultAt: number },
): Promise<{ readonly gid: string; readonly isEarly: boolean }> {
  if (isWatched) {
    const accepted = await operators.untilAccepted(struckAt, noticedWithinMs);
    if (!accepted) throw new Error('The watch has not noticed that the region is lost.');
    return { gid: accepted.gid, isEarly: accepted.at < faultAt };
  }
  if (!isPlanned) await pause(detectionMs);
  const kind = isPlanned ? 'planned' : 'unplanned';
  const gid = await operators.ask({ from, to, kind, reason: 'A drill.' });
  return { gid, isEarly: false };
}

const lengthOf = ({ startedAt, endedAt }: Ended['steps'][number]): number =>
  endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt);

const promotedAt = ({ steps }: Ended): number =>
  Date.parse(steps.find(({ name }) => name === 'promoteRegion')?.endedAt ?? '');

const failureIn = ({ steps }: Ended): string =>
  steps.flatMap(({ name, detail }) => (detail === null ? [] : [`${name}: ${detail}`])).join(' ');

async function letWatchAct({ cluster, operators }: DrillSite): Promise<void> {
  await forgetEarlierSwitches(hubUrlOf(cluster.stack));
  await operators.setAutoFailover(true);
}
