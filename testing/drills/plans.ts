/** The kinds of drills: what befalls a region, who asks for the switch, and what may be lost of time. */
import type { regionFaults } from './region-faults';

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
  readonly strike: keyof typeof regionFaults;
  /** The standby is behind when it happens. */
  readonly isBehind: boolean;
  readonly isPlanned: boolean;
  /** The watch decides by itself. */
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
  'advanceEpoch',
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
  /** Terminated: the failover worker has to find that out by itself. */
  alone: 'terminated and left alone',
  /** Nothing is lost but everybody's work: servers and processes of both regions and the hub. */
  blackout: 'in the midst of a stop of everything, which is brought up again',
} as const;
export type LossWay = keyof typeof lossWays;

/** What befalls the active region meanwhile, or nothing. */
export const lostRunFaults = ['planned', 'crash', 'freeze', 'partition'] as const;

/** One run that is lost while its switch is held. */
export interface LostRun {
  /** Where it is held, as FAULTS names it: activity and point. */
  readonly gate: string;
  readonly way: LossWay;
  readonly plan: (typeof lostRunFaults)[number];
  readonly ending: 'completed' | 'compensated';
}

const behindTheEpoch = [
  'regions.advanceEpoch:beforeAck', // The epoch has advanced, and no process has the answer.
  'regions.promoteRegion:before',
  'regions.promoteRedis:before',
  'regions.openRoutes:before',
  'regions.republish:before',
  'regions.endSwitch:before',
  'accord.endRun:before', // All is done but the ending of its row.
] as const;
const waysOfRuns = ['restart', 'recover', 'reset', 'alone'] as const;
type Gate = (typeof behindTheEpoch)[number] | 'regions.drainRegion:before';

const forward = (gate: Gate, way: LossWay, plan: LostRun['plan']): LostRun => ({
  ...{ gate, way, plan, ending: 'completed' },
});
/** Held before the advanced epoch, and out of time: nothing has happened yet. */
const takenBack = (plan: LostRun['plan']): LostRun => ({
  ...{ gate: 'regions.measureLoss:before', way: 'restart', plan, ending: 'compensated' },
});

const everythingStopped = [
  // The region is fenced, and the epoch has not advanced: it may not be opened.
  forward('regions.drainRegion:before', 'blackout', 'planned'),
  forward('regions.openRoutes:before', 'blackout', 'crash'),
];

/** A lost run goes forward at every step after the epoch has advanced; before that, it is taken back. */
export const lostRuns: readonly LostRun[] = [
  ...(['planned', 'crash'] as const).flatMap((plan) => [
    ...behindTheEpoch.flatMap((gate) => waysOfRuns.map((way) => forward(gate, way, plan))),
    takenBack(plan),
  ]),
  // The old region comes back while somebody goes on.
  ...(['freeze', 'partition'] as const).flatMap((plan) => [
    forward('regions.promoteRegion:before', 'restart', plan),
    forward('regions.openRoutes:before', 'alone', plan),
    forward('regions.republish:before', 'restart', plan),
    forward('accord.endRun:before', 'reset', plan),
    takenBack(plan),
  ]),
  ...everythingStopped,
];

/** A selection of the lost runs: each place, each way and each fault once. */
export const fewLostRuns: readonly LostRun[] = [
  forward('regions.advanceEpoch:beforeAck', 'alone', 'crash'),
  forward('regions.promoteRegion:before', 'restart', 'partition'),
  forward('regions.promoteRedis:before', 'reset', 'crash'),
  forward('regions.openRoutes:before', 'alone', 'freeze'),
  forward('regions.republish:before', 'restart', 'planned'),
  forward('regions.endSwitch:before', 'recover', 'crash'),
  forward('accord.endRun:before', 'reset', 'planned'),
  takenBack('crash'),
  ...everythingStopped,
];

/** The activity that it is held at. */
export const heldAt = ({ gate }: LostRun): string => gate.slice(0, gate.indexOf(':'));
