/** The watch of a cluster: what is seen of its regions, from where, and what may be done about it. */
import type { Gid } from '../engine/ids';
import type { FailbackInput, FailoverInput } from './regions';

/** What a watch may do by itself. Validated where it is changed. */
export interface WatchPolicy {
  /** `false`: a switch that the watch would make is asked for, and a person approves. */
  readonly autoFailover: boolean;
  /** Misses in a row before something counts as silent, and for how long it must have been missed at least. */
  readonly failureThreshold: number;
  readonly unhealthyMs: number;
  /** Switches of the watch in an hour; then it only pages. */
  readonly maxAttempts: number;
  /** Regions, the first target first; the others come behind these, in their own order. */
  readonly priorities: readonly string[];
  /** Limit of the drain. */
  readonly dataSyncTimeoutSeconds: number;
}

/** Policy of a cluster until an operator changes it. */
export const defaultWatchPolicy: WatchPolicy = {
  autoFailover: false,
  failureThreshold: 3,
  unhealthyMs: 1_500,
  maxAttempts: 2,
  priorities: [],
  dataSyncTimeoutSeconds: 10,
};

/**
 * Where a cluster is watched from. `hub`: a failover worker. `link`: the agent of the region that would be promoted,
 * along the way that it pulls from the active one.
 */
export const vantages = ['hub', 'link'] as const;
export type Vantage = (typeof vantages)[number];

/** For how long something has been the same, in milliseconds since 1970 by the hub's clock, and how often it was missed. */
export interface Streak {
  /** In a row; 0: the last look has seen it. */
  readonly misses: number;
  readonly since: number;
}

/**
 * What one vantage point sees of a cluster in one epoch. It is carried from look to look, so that a miss counts however
 * often the looking moves to another process.
 */
export interface Observation {
  readonly epoch: number;
  readonly active: string;
  /** The one that would be promoted; `null`: the cluster has none. */
  readonly standby: string | null;
  /** Time of the last observation. */
  readonly at: number;
  /** The vantage point itself: where it does not answer, nobody knows what it would have seen. */
  readonly answers: Streak;
  /** Consecutive missed reads of the active region. */
  readonly reads: Streak;
  /** Consecutive missed writes of the active region: it acknowledged none. */
  readonly writes: Streak;
  /** Consecutive missed reads of the standby. `null`: this vantage point does not probe it. */
  readonly standbyReads: Streak | null;
  /** Consecutive observations in which the standby did not follow. `null`: this vantage point does not probe it. */
  readonly standbyFollows: Streak | null;
}

/** Nothing that it looks at was missed by its last look. */
export const isWell = ({
  answers,
  reads,
  writes,
  standbyReads,
  standbyFollows,
}: Observation): boolean =>
  [answers, reads, writes, standbyReads, standbyFollows].every(
    (streak) => streak === null || streak.misses === 0,
  );

export const healthLevels = ['HEALTHY', 'DEGRADED', 'UNHEALTHY'] as const;
export type HealthLevel = (typeof healthLevels)[number];

/** What a region is made of. */
export const regionServices = ['mysql', 'redis', 'kafka'] as const;
export type RegionService = (typeof regionServices)[number];

export interface ObserveCluster {
  readonly cluster: string;
  readonly vantage: Vantage;
  /** What this vantage point told last. */
  readonly since: Observation | null;
}

export interface DecideOnCluster {
  readonly cluster: string;
  readonly observations: Readonly<Partial<Record<Vantage, Observation>>>;
}

/** What a switch is asked for with: for the cluster as it was decided on. */
export interface WantedSwitch {
  readonly epoch: number;
  /** Number of the last switch or rejoin. This one gets the next number. */
  readonly sequence: number;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** No standby acknowledges: it may begin all the same where a person says so. */
  readonly force: boolean;
  /** When the active region was first missed. */
  readonly since: number;
}

export type WatchDecision =
  | { readonly kind: 'nothing' }
  /** Somebody should look, and nothing is done. `code` says why, in one word. */
  | { readonly kind: 'page'; readonly code: string; readonly detail: string }
  /** The active region goes on alone. */
  | { readonly kind: 'degrade'; readonly epoch: number; readonly detail: string }
  | ({ readonly kind: 'failover' | 'ask' } & WantedSwitch)
  /** A standby that is back stands by again. */
  | {
      readonly kind: 'resync';
      readonly epoch: number;
      readonly sequence: number;
      readonly region: string;
      readonly active: string;
    };

/** With `againMs` the decision may become another one by time alone. */
export interface Decided {
  readonly decision: WatchDecision;
  readonly againMs: number;
}

/** A transaction that is accepted; its run is to be started, under its gid. */
export interface AcceptedSwitch<Input> {
  readonly gid: Gid;
  readonly input: Input;
}

type DecisionOf<Kind extends WatchDecision['kind']> = Extract<
  WatchDecision,
  { readonly kind: Kind }
>;

/** Registered as `watch.<name>`, on the failover worker. Each may be repeated, and may come late. */
export interface WatchActivities {
  /**
   * Looks again and again, and writes down what it sees. Returns on a change of what is seen or of whom it is about, and
   * otherwise after a minute; within seconds where anything is missed, so that what it told is never old.
   *
   * @returns `null`: there is nothing to watch, for the cluster is in one place.
   */
  observe(request: ObserveCluster): Promise<Observation | null>;
  /** Holds what is seen against policy and history, as the hub has them now. */
  decide(request: DecideOnCluster): Promise<Decided>;
  /** Writes it down, tells the log, counts it. */
  page(page: DecisionOf<'page'> & { readonly cluster: string }): Promise<null>;
  /** The hub's row first, by compare-and-set; then the active region acknowledges alone. @returns false: it came too late. */
  degrade(request: DecisionOf<'degrade'> & { readonly cluster: string }): Promise<boolean>;
  /** Accepts a switch as the API does. @returns `null`: it has ended, or the cluster has moved. */
  requestFailover(
    wanted: WantedSwitch & { readonly cluster: string },
  ): Promise<AcceptedSwitch<FailoverInput> | null>;
  /** Asks a person for a switch: one question for one outage. */
  askFailover(wanted: WantedSwitch & { readonly cluster: string }): Promise<null>;
  /** Accepts a rejoin as the API does. @returns `null`: it has ended, or the cluster has moved. */
  requestResync(
    wanted: DecisionOf<'resync'> & { readonly cluster: string },
  ): Promise<AcceptedSwitch<FailbackInput> | null>;
}

export interface WatchInput {
  readonly cluster: string;
}

/** How a watch ends, where it does. */
export interface WatchReport {
  readonly ended: 'nothing_to_watch';
}

/** One for each cluster. */
export const watchIdOf = (cluster: string): string => `watch:${cluster}`;

/** Numbers that no policy changes, each in milliseconds. */
export const watchTimes = {
  probeEvery: 500,
  /** A write that takes longer is a miss. */
  probeWithin: 700,
  /** A write that takes longer is slow. */
  slow: 250,
  lagging: 1_000,
  observe: 60_000,
  observeUnwell: 4_000,
  /** What was seen longer ago decides nothing. */
  fresh: 10_000,
  /** From a completed switch on, the watch makes none. */
  antiFlap: 600_000,
  /** Silence at one vantage point before an operator is paged. The other one may be one observation behind. */
  pageAfter: 5_000,
  /** Time that a standby must have answered again before the watch lets it rejoin. */
  resyncAfter: 5_000,
} as const;

/** Rejoins of the watch in an hour; a link that flaps slowly would be copied along for ever. */
export const resyncsMax = 6;

/** Life of a switch or rejoin, half of it for undoing: it takes seconds, and whoever waits for its end shall not wait for hours. */
export const switchLifeMs = 600_000;
/** Limit of a drain. It must end within one attempt of its activity. */
export const drainSecondsMax = 8;
