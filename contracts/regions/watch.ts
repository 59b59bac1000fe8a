/** The watch of a cluster: observations of its regions from several vantage points, and the decisions on them. */
import type { Gid } from '../engine/ids';
import type { FailbackInput, FailoverInput } from './regions';

/** Actions that a watch may take by itself. The route that changes the policy validates it. */
export interface WatchPolicy {
  /** `false`: the watch asks for a switch, and a person approves it. */
  readonly autoFailover: boolean;
  /** A service is silent after this many consecutive misses, which must last at least `unhealthyMs`. */
  readonly failureThreshold: number;
  readonly unhealthyMs: number;
  /** Maximum switches of the watch in an hour. After them it only pages. */
  readonly maxAttempts: number;
  /** Regions in the order of promotion. Regions that are not listed follow in their own order. */
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
 * Vantage points of the watch. `hub`: a failover worker. `link`: the agent of the region that would be promoted, over
 * the route of its replication from the active region.
 */
export const vantages = ['hub', 'link'] as const;
export type Vantage = (typeof vantages)[number];

/** Consecutive misses, and the time of the last change, in milliseconds since 1970 by the hub's clock. */
export interface Streak {
  /** Consecutive misses; 0: the last observation succeeded. */
  readonly misses: number;
  readonly since: number;
}

/**
 * Observation of a cluster from one vantage point, in one epoch. Each observation continues the one before it. So
 * misses add up, even if another process takes over.
 */
export interface Observation {
  readonly epoch: number;
  readonly active: string;
  /** The region that would be promoted; `null`: the cluster has none. */
  readonly standby: string | null;
  /** Time of the last observation. */
  readonly at: number;
  /** Consecutive missed answers of the vantage point itself. While it does not answer, its other values are unknown. */
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

/** Whether the last observation missed nothing. */
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

/** Services of a region. */
export const regionServices = ['mysql', 'redis', 'kafka'] as const;
export type RegionService = (typeof regionServices)[number];

export interface ObserveCluster {
  readonly cluster: string;
  readonly vantage: Vantage;
  /** The last observation from this vantage point. */
  readonly since: Observation | null;
}

export interface DecideOnCluster {
  readonly cluster: string;
  readonly observations: Readonly<Partial<Record<Vantage, Observation>>>;
}

/** A switch that the watch decided on, with the state of the cluster at that time. */
export interface WantedSwitch {
  readonly epoch: number;
  /** Number of the last switch or rejoin. This one gets the next number. */
  readonly sequence: number;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** No standby acknowledges commits. The switch may begin only if a person allows it. */
  readonly force: boolean;
  /** Time of the first miss of the active region. */
  readonly since: number;
}

export type WatchDecision =
  | { readonly kind: 'nothing' }
  /** Calls an operator and does nothing else. `code` is the reason, in one word. */
  | { readonly kind: 'page'; readonly code: string; readonly detail: string }
  /** The active region continues without a standby. */
  | { readonly kind: 'degrade'; readonly epoch: number; readonly detail: string }
  | ({ readonly kind: 'failover' | 'ask' } & WantedSwitch)
  /** A standby that answers again rejoins. */
  | {
      readonly kind: 'resync';
      readonly epoch: number;
      readonly sequence: number;
      readonly region: string;
      readonly active: string;
    };

/** After `againMs` the decision may change without a new observation, because time has passed. */
export interface Decided {
  readonly decision: WatchDecision;
  readonly againMs: number;
}

/** An accepted transaction. The caller starts its run under its gid. */
export interface AcceptedSwitch<Input> {
  readonly gid: Gid;
  readonly input: Input;
}

type DecisionOf<Kind extends WatchDecision['kind']> = Extract<
  WatchDecision,
  { readonly kind: Kind }
>;

/** Registered as `watch.<name>`, on the failover worker. Each activity may be repeated, and may arrive late. */
export interface WatchActivities {
  /**
   * Probes repeatedly, and stores the observations. It returns when the result or the roles of the regions change, and
   * otherwise after a minute. While something is missed it returns within seconds, so its result is never old.
   *
   * @returns `null`: the cluster has one region, so there is nothing to watch.
   */
  observe(request: ObserveCluster): Promise<Observation | null>;
  /** Decides on the observations by policy and history, as the hub has them now. */
  decide(request: DecideOnCluster): Promise<Decided>;
  /** Stores the page, logs it, and counts it. */
  page(page: DecisionOf<'page'> & { readonly cluster: string }): Promise<null>;
  /**
   * Changes the hub's row first, by compare-and-set. Then the active region acknowledges without a standby.
   * @returns false: the state had changed before.
   */
  degrade(request: DecisionOf<'degrade'> & { readonly cluster: string }): Promise<boolean>;
  /** Accepts a switch as the API does. @returns `null`: the switch has ended, or the cluster has moved. */
  requestFailover(
    wanted: WantedSwitch & { readonly cluster: string },
  ): Promise<AcceptedSwitch<FailoverInput> | null>;
  /** Asks a person to approve a switch: one approval for one outage. */
  askFailover(wanted: WantedSwitch & { readonly cluster: string }): Promise<null>;
  /** Accepts a rejoin as the API does. @returns `null`: the rejoin has ended, or the cluster has moved. */
  requestResync(
    wanted: DecisionOf<'resync'> & { readonly cluster: string },
  ): Promise<AcceptedSwitch<FailbackInput> | null>;
}

export interface WatchInput {
  readonly cluster: string;
}

/** Result of a watch that has ended. */
export interface WatchReport {
  readonly ended: 'nothing_to_watch';
}

/** Workflow id of the watch: one for each cluster. */
export const watchIdOf = (cluster: string): string => `watch:${cluster}`;

/** Fixed times of the watch, in milliseconds. No policy changes them. */
export const watchTimes = {
  probeEvery: 500,
  /** A write that takes longer is a miss. */
  probeWithin: 700,
  /** A write that takes longer is slow. */
  slow: 250,
  lagging: 1_000,
  observe: 60_000,
  observeUnwell: 4_000,
  /** An older observation is not used for a decision. */
  fresh: 10_000,
  /** Time after a completed switch in which the watch starts none. */
  antiFlap: 600_000,
  /** Silence at one vantage point before an operator is paged. The other one may be one observation behind. */
  pageAfter: 5_000,
  /** Time that a standby must have answered again before the watch lets it rejoin. */
  resyncAfter: 5_000,
} as const;

/** Maximum rejoins of the watch in an hour. Without it, a slowly flapping link would cause copies for ever. */
export const resyncsMax = 6;

/** Time of a switch or rejoin, half of it for undo. It takes seconds, and a caller must not wait for hours. */
export const switchLifeMs = 600_000;
/** Limit of a drain. It must end within one attempt of its activity. */
export const drainSecondsMax = 8;
