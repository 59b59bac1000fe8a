/** What a drill has shown, held against the promise. */
import { openInvariants } from '../verify/verification';
import type { Region } from '../stack/profile';
import type { ClientRecord } from './clients';
import { hubUrlOf } from './cluster';
import { databaseOf, endingsOf, outOfTime, untilAllEnded, writesIn } from './durability-check';
import type { Told } from './load';
import type { DrillKind, Plan } from './plans';
import type { Struck } from './region-faults';

const plannedGapMaxMs = 2_000;
const endWithinMs = 60_000;

export interface DrillReport {
  readonly kind: DrillKind;
  /** Where the failover's own worker was killed, or its run was lost; `null`: nowhere. */
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
  /**
   * Time from the fault, or the order, until a write was acknowledged in the new epoch. It includes injected detection.
   */
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

/** What was told, held against the region that is active now. Times in milliseconds since 1970. */
export async function count(
  { cluster, to }: Pick<Struck, 'cluster' | 'to'>,
  { sql, clients }: Told,
  { faultAt, promotedAt }: { readonly faultAt: number; readonly promotedAt: number },
) {
  const there = await writesIn(databaseOf(cluster.addresses.regions[to].straight.mysqlUrl));
  const [app, stale, zombie] = [sql.record('app'), sql.record('stale'), sql.record('zombie')];
  const all = [app, stale, zombie];
  const acked = all.flatMap((record) => [...record.acked]);
  const unknown = all.flatMap((record) => [...record.unknown]);
  const lost = acked.filter(([id]) => !there.has(id));
  const since = [...app.acked.values()].filter((at) => at > promotedAt);
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
    ackedStaleWrites: behind.filter((at) => at > promotedAt).length,
  };
}

/**
 * What was accepted has ended, as it would have without a switch, and the books are in order.
 *
 * @param isTimed an order that ran out of its time is a broken promise, too.
 */
export async function judge(
  { cluster }: Pick<Struck, 'cluster'>,
  { accepted, undecided }: ClientRecord,
  isTimed: boolean,
) {
  const hubUrl = hubUrlOf(cluster.stack);
  const open = await untilAllEnded(hubUrl, endWithinMs);
  const endings = await endingsOf(hubUrl, accepted);
  const books = openInvariants(cluster.urls.VERIFY_DATABASE_URLS);
  const { asked, violations } = await books.check('ended').finally(() => books.close());
  const allowed = isTimed ? ['completed'] : ['completed', outOfTime];
  const moved = Object.entries(endings).filter(([state]) => !allowed.includes(state));
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

/** Promises that what was counted breaks. */
export function brokenBy(
  { kind, lost, unknown, ackedStaleWrites }: Counted,
  plan: Plan,
): readonly string[] {
  return [
    ...(lost === 0 ? [] : [`${lost} acknowledged writes are lost.`]),
    ...(ackedStaleWrites === 0 ? [] : [`${ackedStaleWrites} stale writes were acknowledged.`]),
    ...(isCalm(kind, plan) && unknown > 0 ? [`${unknown} outcomes are unknown.`] : []),
  ].map((sentence) => `${kind}: ${sentence}`);
}

/** Promises of time that it breaks. */
export function slowBy({ kind, writeGapMs, rtoMs }: Counted, plan: Plan): readonly string[] {
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
  isPlanned && kind !== 'worker-killed' && kind !== 'lost-run';
