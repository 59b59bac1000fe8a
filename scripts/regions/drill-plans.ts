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
  'lost-run',
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
  Record<Exclude<DrillKind, 'failback' | 'rebuild' | 'worker-killed' | 'lost-run'>, Plan>
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

/** How the run of a switch is lost, and how somebody goes on with it. */
export const lossWays = {
  /** Terminated, and started again under its gid when its time for acting is over. */
  restart: 'terminated and started again, out of time',
  /** Terminated, and recovered with the input that it was accepted with. */
  recover: 'terminated and recovered by the job',
  /** Reset to its first workflow task, and to each later one in turn. */
  reset: 'reset to each of its workflow tasks',
} as const;
export type LossWay = keyof typeof lossWays;

/** One run that is lost while it is held at a step. */
export interface LostRun {
  readonly step: string;
  readonly way: LossWay;
  readonly isPlanned: boolean;
  readonly ending: 'completed' | 'compensated';
}

const behindTheEpoch = [
  ...['promoteRegion', 'promoteRedis', 'openRoutes', 'republish', 'endSwitch'].map(
    (step) => `regions.${step}`,
  ),
  'accord.endRun', // All is done but the ending of its row.
];

/** At every step behind the burnt epoch it goes forward, and before it, it is taken back. */
export const lostRuns: readonly LostRun[] = [true, false].flatMap((isPlanned) => [
  ...behindTheEpoch.flatMap((step) =>
    (Object.keys(lossWays) as LossWay[]).map((way): LostRun => ({
      step,
      way,
      isPlanned,
      ending: 'completed',
    })),
  ),
  { step: 'regions.measureLoss', way: 'restart', isPlanned, ending: 'compensated' },
]);
