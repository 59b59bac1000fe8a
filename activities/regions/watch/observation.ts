/** Turns probe results into observations: consecutive misses, and the time of the first one. */
import type {
  HealthLevel,
  Observation,
  Streak,
  WatchPolicy,
} from '../../../contracts/regions/watch';
import { watchTimes } from '../../../contracts/regions/watch';

/** Result of one probe from one vantage point. */
export interface ProbeResult {
  readonly began: number;
  readonly at: number;
  /** `null`: the vantage point itself does not answer. */
  readonly active: Probed | null;
  /** `null`: this vantage point does not probe the standby. */
  readonly standby: StandbyLook | null;
}

/** Answer of a region to a heartbeat. */
export interface Probed {
  readonly reads: boolean;
  /** The region acknowledged a write in time. */
  readonly writes: boolean;
  readonly ms: number;
  readonly error: string | null;
}

export interface StandbyLook {
  readonly reads: boolean;
  readonly follows: boolean;
  readonly ms: number;
  /** Age of the newest write of the hub on the standby; `null`: it has none, or does not answer. */
  readonly lagMs: number | null;
  readonly error: string | null;
}

/** Epoch and regions of the observations of a cluster. */
export type Subject = Pick<Observation, 'epoch' | 'active' | 'standby'>;

/** The next observation. Misses in another epoch, or of other regions, do not count. */
export function seenBy(
  before: Observation | null,
  subject: Subject,
  probeResult: ProbeResult,
): Observation {
  const last = before && isAbout(before, subject) ? before : null;
  const { began, at, active, standby } = probeResult;
  const next = (streak: Streak | null | undefined, isSeen: boolean): Streak =>
    isSeen
      ? streak?.misses === 0
        ? streak
        : { misses: 0, since: at }
      : { misses: (streak?.misses ?? 0) + 1, since: streak?.misses ? streak.since : began };
  const told = last?.answers.misses === 0 ? last : null;
  return {
    epoch: subject.epoch,
    active: subject.active,
    standby: subject.standby,
    at,
    answers: next(last?.answers, active !== null),
    reads: active ? next(told?.reads, active.reads) : unknown(at),
    writes: active ? next(told?.writes, active.writes) : unknown(at),
    standbyReads: standby && next(last?.standbyReads, standby.reads),
    standbyFollows: standby && next(last?.standbyFollows, standby.follows),
  };
}

/** Without a probe the signal is neither seen nor silent, however long that lasts. */
const unknown = (at: number): Streak => ({ misses: 1, since: at });

export const isAbout = (observation: Subject, { epoch, active, standby }: Subject): boolean =>
  observation.epoch === epoch && observation.active === active && observation.standby === standby;

/** `late`: missed, but not often or not long enough to be `silent`; or unknown. */
export type Signal = 'seen' | 'late' | 'silent';

export function signalOf(
  streak: Streak,
  at: number,
  { failureThreshold, unhealthyMs }: Pick<WatchPolicy, 'failureThreshold' | 'unhealthyMs'>,
): Signal {
  if (streak.misses === 0) return 'seen';
  const isSilent = streak.misses >= failureThreshold && at - streak.since >= unhealthyMs;
  return isSilent ? 'silent' : 'late';
}

type SilencePolicy = Parameters<typeof signalOf>[2];

/** Summary of an observation. While it is the same, there is nothing to report. */
export function signatureOf(observation: Observation, policy: SilencePolicy): string {
  const { answers, reads, writes, standbyReads, standbyFollows } = observation;
  const signals = [answers, reads, writes, standbyReads, standbyFollows].map((streak) =>
    streak ? signalOf(streak, observation.at, policy) : '-',
  );
  return [observation.epoch, observation.active, observation.standby ?? '-', ...signals].join(' ');
}

/** Health of the active region, as this vantage point observes it. */
export function levelOfActive(
  { writes, answers, at }: Observation,
  probed: Probed | null,
  policy: SilencePolicy,
): HealthLevel {
  if (answers.misses === 0 && signalOf(writes, at, policy) === 'silent') return 'UNHEALTHY';
  return probed?.writes === true && probed.ms <= watchTimes.slow ? 'HEALTHY' : 'DEGRADED';
}

/** Health of the standby. Its lag counts only while the active region takes writes. */
export function levelOfStandby(
  { writes, standbyReads, at }: Observation,
  look: StandbyLook,
  policy: SilencePolicy,
): HealthLevel {
  if (standbyReads && signalOf(standbyReads, at, policy) === 'silent') return 'UNHEALTHY';
  const lags = writes.misses === 0 && (look.lagMs === null || look.lagMs >= watchTimes.lagging);
  return look.reads && look.follows && !lags ? 'HEALTHY' : 'DEGRADED';
}
