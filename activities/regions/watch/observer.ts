import { setTimeout as delay } from 'node:timers/promises';

import {
  isWell,
  watchTimes,
  type ObserveCluster,
  type Observation,
  type Vantage,
  type WatchPolicy,
} from '../../../contracts/regions/watch';
import { seenBy, signatureOf, type ProbeResult, type Subject } from './observation';

/** The cluster as the hub knows it now. */
export interface Place {
  readonly subject: Subject;
  readonly policy: WatchPolicy;
}

interface ObserverParts {
  /** `null`: the cluster has one region. */
  readonly place: () => Promise<Place | null>;
  /** One probe; never rejects. */
  readonly look: (vantage: Vantage, subject: Subject) => Promise<ProbeResult>;
  /** Stores an observation. */
  readonly tell: (
    vantage: Vantage,
    observation: Observation,
    probeResult: ProbeResult,
    place: Place,
  ) => Promise<void>;
  readonly now: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

const tellEveryMs = 2_000;
/** Pause between two probes with a report in between. */
const betweenMs = 250;

/**
 * Probes until there is something to report: `WatchActivities.observe`. An aborted signal ends it with the last one.
 */
export function createObserver({
  place,
  look,
  tell,
  now,
  pause = (ms, signal) => delay(Math.max(0, ms), undefined, { signal }).catch(() => undefined),
}: ObserverParts) {
  return async function observe(
    { vantage, since }: Pick<ObserveCluster, 'vantage' | 'since'>,
    signal: AbortSignal,
  ): Promise<Observation | null> {
    const began = now();
    // The last observation is too old: its misses count from now on.
    const isOld = since === null || began - since.at > watchTimes.fresh;
    let toldAt = -Infinity;
    let last = isOld ? null : since;
    // A flickering signal is reported, but not probed faster.
    if (since) await pause(since.at + betweenMs - began, signal);
    for (;;) {
      const looked = now();
      const placed = await place();
      if (!placed) return null;
      const probeResult = await look(vantage, placed.subject);
      const observation = seenBy(last, placed.subject, probeResult);
      const isNews =
        isOld || signatureOf(observation, placed.policy) !== signatureOf(since, placed.policy);
      if (isNews || now() - toldAt >= tellEveryMs) {
        await tell(vantage, observation, probeResult, placed);
        toldAt = now();
      }
      const untilMs = isWell(observation) ? watchTimes.observe : watchTimes.observeUnwell;
      if (isNews || signal.aborted || now() - began >= untilMs) return observation;
      last = observation;
      await pause(looked + watchTimes.probeEvery - now(), signal);
    }
  };
}
