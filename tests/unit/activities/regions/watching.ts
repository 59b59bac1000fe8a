import type { Observation, Streak } from '../../../../contracts/regions/watch';
import { defaultWatchPolicy } from '../../../../contracts/regions/watch';
import type { Standing } from '../../../../activities/regions/watch/decision';

export const now = 1_790_000_000_000;

/** Streaks as a look at `now` tells them, by the default policy. */
export const seen: Streak = { misses: 0, since: now - 60_000 };
export const late: Streak = { misses: 2, since: now - 1_200 };
export const silent: Streak = { misses: 4, since: now - 2_500 };

/** All is well: region a is active, b stands by. */
export const anObservation = (more: Partial<Observation> = {}): Observation => ({
  ...{ epoch: 7, active: 'a', standby: 'b', at: now },
  ...{ answers: seen, reads: seen, writes: seen, standbyReads: seen, standbyFollows: seen },
  ...more,
});
export const aLinkObservation = (more: Partial<Observation> = {}): Observation =>
  anObservation({ standbyReads: null, standbyFollows: null, ...more });

export const aStanding = (more: Partial<Standing> = {}): Standing => ({
  ...{ epoch: 7, region: 'a', sync: true, state: 'steady', sequence: 3, openMove: null },
  regions: [
    { region: 'a', status: 'ACTIVE' },
    { region: 'b', status: 'STANDBY' },
  ],
  policy: { ...defaultWatchPolicy, autoFailover: true },
  ...{ sinceFailoverMs: null, attempts: 0, resyncs: 0 },
  ...more,
});
