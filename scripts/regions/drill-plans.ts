/** The kinds of drills: what befalls a region, who asks for the switch, and what may be lost of time. */
import type { strikes } from './strikes';

export const drillKinds = [
  'planned',
  'crash',
  'partition',
  'freeze',
  'flap',
  'failback',
  'rebuild',
  'worker-killed',
] as const;
export type DrillKind = (typeof drillKinds)[number];

/** How a kind is drilled. */
export interface Plan {
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

export const plans: Readonly<
  Record<Exclude<DrillKind, 'failback' | 'rebuild' | 'worker-killed'>, Plan>
> = {
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
    sentence: 'its links come and go, which moves nothing; then its MySQL is killed',
    strike: 'flap',
    isBehind: false,
    isPlanned: false,
    rtoMaxMs: 12_000, // The watch wants to be sure that it is no flapping.
    isWatched: true,
  },
};

/** Behind each step's effect, before anybody has heard of it, and before each step. */
export const workerFaults = [
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
