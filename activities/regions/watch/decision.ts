/** Decides what a watch does about its observations: a pure function, so that tests can check every promise. */
import type { Gid } from '../../../contracts/engine/ids';
import type { RegionStatus } from '../../../contracts/regions/regions';
import {
  isWell,
  resyncsMax,
  watchTimes,
  type Decided,
  type Observation,
  type Vantage,
  type WatchDecision,
  type WatchPolicy,
} from '../../../contracts/regions/watch';
import { signalOf, type Signal } from './observation';

/** The cluster as the hub knows it now. */
export interface Standing {
  readonly epoch: number;
  /** The active region. */
  readonly region: string;
  readonly sync: boolean;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  readonly sequence: number;
  /** The switch or rejoin that was accepted and has not ended. */
  readonly openMove: Gid | null;
  /** In their own order of priority. */
  readonly regions: readonly { readonly region: string; readonly status: RegionStatus }[];
  readonly policy: WatchPolicy;
  /** `null`: none was ever completed. */
  readonly sinceFailoverMs: number | null;
  /** Failovers that the watch itself started in the last hour. */
  readonly attempts: number;
  /** Rejoins that it started in the last hour. */
  readonly resyncs: number;
}

/** The region that would be promoted: the first standby by priority. @returns `null`: there is no standby. */
export function targetOf({
  region: active,
  regions,
  policy,
}: Pick<Standing, 'region' | 'regions'> & {
  readonly policy: Pick<WatchPolicy, 'priorities'>;
}): string | null {
  const standbys = regions
    .filter(({ region, status }) => region !== active && status === 'STANDBY')
    .map(({ region }) => region);
  return policy.priorities.find((region) => standbys.includes(region)) ?? standbys[0] ?? null;
}

/** Time after which the decision may change without a new observation. */
const soonMs = 1_000;
const laterMs = 30_000;

/**
 * Decides on the observations of both vantage points (docs/failover.md, Watching).
 *
 * - If one of them sees writes, there is never a switch.
 * - If something is unknown, no action follows; at most an operator is paged.
 * - While a switch or rejoin is under way, nothing happens at all.
 */
export function decideOn(
  observations: Readonly<Partial<Record<Vantage, Observation>>>,
  standing: Standing,
  now: number,
): Decided {
  const { hub, link } = observations;
  if (standing.openMove !== null || standing.state === 'failing-over') return nothing(laterMs);
  if (!hub || !isOfNow(hub, standing, now)) return nothing(laterMs);
  const isLinkOfNow = link?.standby === hub.standby && isOfNow(link, standing, now);
  const seen = signalsOf(hub, isLinkOfNow ? link : undefined, standing);
  const outage = { hub, standing, seen, now };
  if (seen.hub.writes === 'seen') return wellAtHub(outage, link);
  if (seen.hub.writes === 'late') return nothing(soonMs);
  if (seen.link !== 'lost' && seen.link.writes === 'seen')
    return pageLater(
      'silent_at_hub',
      'The active region takes writes, but none of the hub.',
      hub.writes.since,
      now,
    );
  return silent(outage);
}

interface Outage {
  readonly hub: Observation;
  readonly standing: Standing;
  readonly seen: Seen;
  readonly now: number;
}

interface Seen {
  readonly hub: {
    readonly reads: Signal;
    readonly writes: Signal;
    readonly standbyReads: Signal;
    readonly standbyFollows: Signal;
  };
  /** `lost`: that vantage point does not answer, or has no recent observation. */
  readonly link: { readonly reads: Signal; readonly writes: Signal } | 'lost';
}

const isOfNow = (observation: Observation, { epoch, region }: Standing, now: number): boolean =>
  observation.epoch === epoch &&
  observation.active === region &&
  now - observation.at <= freshFor(observation);

/** A healthy observation is reported once a minute, every other one within seconds. */
const freshFor = (observation: Observation): number =>
  watchTimes.fresh + (isWell(observation) ? watchTimes.observe : 0);

function signalsOf(hub: Observation, link: Observation | undefined, { policy }: Standing): Seen {
  const of = (
    observation: Observation,
    name: 'reads' | 'writes' | 'standbyReads' | 'standbyFollows',
  ): Signal => {
    const streak = observation[name];
    return streak ? signalOf(streak, observation.at, policy) : 'late';
  };
  return {
    hub: {
      reads: of(hub, 'reads'),
      writes: of(hub, 'writes'),
      standbyReads: of(hub, 'standbyReads'),
      standbyFollows: of(hub, 'standbyFollows'),
    },
    link:
      link && link.answers.misses === 0
        ? { reads: of(link, 'reads'), writes: of(link, 'writes') }
        : 'lost',
  };
}

/** The hub's writes are silent, and the link sees none either, or is unknown. */
function silent(outage: Outage): Decided {
  const { hub, seen, now } = outage;
  const { link } = seen;
  if (seen.hub.standbyReads === 'silent') return standbyGone(outage);
  if (link === 'lost')
    return pageLater(
      'silent_at_hub',
      'The hub sees no write of the active region, and the other vantage point does not answer.',
      hub.writes.since,
      now,
    );
  // One vantage point is an observation behind the other. Its next one decides between very different actions.
  if (link.writes !== 'silent' || seen.hub.standbyReads !== 'seen') return nothing(soonMs);
  switch (seen.hub.reads) {
    case 'late':
      return nothing(soonMs);
    case 'silent':
      return activeGone(outage);
    case 'seen':
      // The region answers reads, and its commits wait: for the standby, or for its own disk.
      if (link.reads === 'silent')
        return alone(outage, 'The regions do not reach each other, and writes wait.');
      if (seen.hub.standbyFollows === 'silent')
        return alone(outage, 'The standby does not follow, and writes wait.');
      if (link.reads === 'late' || seen.hub.standbyFollows === 'late') return nothing(soonMs);
      return activeGone(outage);
  }
}

function standbyGone(outage: Outage): Decided {
  const { seen } = outage;
  switch (seen.hub.reads) {
    case 'late':
      return nothing(soonMs);
    case 'seen':
      return alone(outage, 'The standby is gone, and writes wait for it.');
    case 'silent':
      return page('nobody_left', 'Neither the active region nor the standby answers.');
  }
}

/** Safe to decide again: this repeats the order to a region that has not got it yet. */
function alone({ standing }: Outage, detail: string): Decided {
  const isWaitedFor =
    (standing.state === 'steady' && standing.sync) || standing.state === 'degraded';
  if (!isWaitedFor)
    return page(
      'silent',
      'Writes of the active region wait, although no standby has to have them.',
    );
  return decided({ kind: 'degrade', epoch: standing.epoch, detail }, soonMs);
}

function activeGone({ hub, standing }: Outage): Decided {
  const { epoch, sequence, region: from, policy } = standing;
  const to = targetOf(standing);
  if (to === null) return page('no_target', `Region ${from} is silent, and no region stands by.`);
  if (to !== hub.standby) return nothing(soonMs); // The observations are about another standby.
  const { sinceFailoverMs, attempts } = standing;
  if (sinceFailoverMs !== null && sinceFailoverMs < watchTimes.antiFlap)
    return page('anti_flap', `Region ${from} is silent, ${sinceFailoverMs} ms after a switch.`);
  if (attempts >= policy.maxAttempts)
    return page(
      'attempts_used',
      `Region ${from} is silent, after ${attempts} switches in an hour.`,
    );
  // A promotion loses the commits that the standby lacks, so a person must approve it.
  const kind = policy.autoFailover && standing.sync ? 'failover' : 'ask';
  const reason = `Region ${from} acknowledges no write at either vantage point.`;
  const cluster = { epoch, sequence, from, to, force: !standing.sync };
  return decided({ kind, ...cluster, reason, since: hub.writes.since }, laterMs);
}

/** The hub's writes are acknowledged, so no switch is needed. */
function wellAtHub({ hub, standing, seen, now }: Outage, link: Observation | undefined): Decided {
  if (seen.hub.standbyReads === 'silent')
    return page('standby_silent', `Region ${hub.standby ?? '?'} does not answer.`);
  if (!link || hub.standby === null) return nothing(laterMs);
  if (seen.link === 'lost' && link.answers.misses === 0) return nothing(laterMs); // The link has no recent observation.
  if (seen.link === 'lost')
    return pageLater(
      'vantage_lost',
      'The agent that watches along the link does not answer.',
      link.answers.since,
      now,
    );
  if (seen.link.writes === 'silent')
    return pageLater(
      'silent_at_link',
      'The active region takes writes of the hub, but none along the link.',
      link.writes.since,
      now,
    );
  if (
    standing.state === 'degraded' &&
    seen.hub.standbyReads === 'seen' &&
    seen.link.reads === 'seen'
  )
    return backAgain(hub, link, standing, now);
  return nothing(laterMs);
}

function backAgain(hub: Observation, link: Observation, standing: Standing, now: number): Decided {
  const { epoch, sequence, region: active, resyncs } = standing;
  const region = hub.standby;
  if (region === null || hub.standbyReads === null) return nothing(laterMs);
  const backForMs = now - Math.max(hub.standbyReads.since, link.reads.since, hub.writes.since);
  if (backForMs < watchTimes.resyncAfter) return nothing(soonMs);
  if (resyncs >= resyncsMax)
    return page('resyncs_used', `Region ${region} is back, after ${resyncs} rejoins in an hour.`);
  return decided({ kind: 'resync', epoch, sequence, region, active }, laterMs);
}

const decided = (decision: WatchDecision, againMs: number): Decided => ({ decision, againMs });
const nothing = (againMs: number): Decided => decided({ kind: 'nothing' }, againMs);
const page = (code: string, detail: string): Decided =>
  decided({ kind: 'page', code, detail }, laterMs);

/** Pages after a delay: the other vantage point may be about to see the same. */
const pageLater = (code: string, detail: string, since: number, now: number): Decided =>
  now - since < watchTimes.pageAfter ? nothing(soonMs) : page(code, detail);
