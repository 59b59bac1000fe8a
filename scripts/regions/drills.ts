/** One drill: load, a fault, the switch, the way back, and the count of what was acknowledged. */
import type { Build } from '../application';
import { pause, reasonOf } from '../stack/waiting';
import { hubUrlOf, type Cluster } from './cluster';
import { databaseOf, forgetEarlierSwitches } from './counting';
import { brokenBy, count, judge, slowBy, type DrillReport } from './drill-judgement';
import { keepFailoverWorker, startLoad } from './drill-load';
import { plans, workerFaults, type DrillKind, type Plan } from './drill-plans';
import type { Ended, Operators } from './operators';
import { rolesOf } from './roles';
import { holdApplier, strikes, type Strike, type Struck } from './strikes';
import { refusesWrites } from './writers';

const warmUpMs = 2_500;
const afterMs = 2_500;
/** What a watcher would take to be sure. */
const detectionMs = 1_500;
/** How far a standby is behind, and how long a drain has to wait for it. */
const behindMs = 300;
const noticedWithinMs = 15_000;

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
  const worker = await keepFailoverWorker(cluster, site.build, { ...faults, ...watch });
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
    const counted = await count(struck, stopped, { faultAt, promotedAt: promotedAt(ended) });
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

async function letWatchAct({ operators }: DrillSite, hubUrl: string): Promise<void> {
  await forgetEarlierSwitches(hubUrl);
  await operators.setAutoFailover(true);
}
