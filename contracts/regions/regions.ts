/** Regions of a cluster, and the operations that make another region active. */
import {
  act,
  defineParticipant,
  retriableAct,
  seal,
  undo,
  type ActivitiesOf,
} from '../engine/definition';
import type { TransactionInput } from '../engine/transaction';
import type { Keyed } from '../engine/verdict';

export const regionStatuses = ['ACTIVE', 'STANDBY', 'FAILED', 'RECOVERING'] as const;
export type RegionStatus = (typeof regionStatuses)[number];

/** `planned`: no region has failed. So nothing may be lost, and no outcome may be unknown. */
export const failoverKinds = ['planned', 'unplanned'] as const;
export type FailoverKind = (typeof failoverKinds)[number];

export interface FailoverInput extends TransactionInput {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly kind: FailoverKind;
  /** Epoch of the cluster when the request was made. Every step compares with it; no step reads it again. */
  readonly epoch: number;
  readonly reason: string;
  /** Limit of the drain. */
  readonly dataSyncSeconds: number;
  /** Loss that a person has allowed, in milliseconds of writes; 0: none. */
  readonly lossAllowedMs: number;
  /** A person has allowed the switch to begin although no standby acknowledges commits. */
  readonly mayBeginAlone: boolean;
}

export interface FailbackInput extends TransactionInput {
  readonly cluster: string;
  /** The region that shall stand by again. */
  readonly region: string;
  readonly active: string;
  /** Epoch of the cluster when the request was made. */
  readonly epoch: number;
}

export interface RejoinRegion extends Keyed {
  readonly cluster: string;
  readonly region: string;
  readonly active: string;
  readonly epoch: number;
}

/** SQL transactions that only a lost region has. Probably no caller got an answer to them. Evidence: never replayed. */
export interface ErrantTransactions {
  /** Empty: none. */
  readonly gtids: string;
  /** File with these transactions, on the region's own machine. */
  readonly file: string | null;
}

/** Request of one step of a switch. */
export interface SwitchRegions extends Keyed {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly kind: FailoverKind;
  readonly epoch: number;
}

/** How the old region was fenced. `sql`: its server took the order. `kill`: its process was killed. */
export interface FenceProof {
  readonly way: 'sql' | 'kill';
  readonly ms: number;
}

/** Writes that were acknowledged to the hub, and that the new region does not have. */
export interface MeasuredLoss {
  readonly ms: number;
}

/**
 * Participant `regions`. It has no SQL fence of its own. Each activity brings about a state and verifies it, so it may
 * be repeated and may arrive late. Its one decision is fenced in the hub: a switch has happened once its epoch has
 * advanced, a rejoin once it has begun.
 *
 * A postcondition that has failed three times is PostconditionFailed. Every other error is retried. Only the two steps
 * that begin may refuse (ParticipantRefused): the hub did not allow it, and there is nothing to undo.
 *
 * A step before the decision of a switch answers `null` at once if the switch is decided, and PostconditionFailed
 * if it was sealed. A step after the decision is PostconditionFailed unless the switch is decided, and answers `null`
 * at once if it has ended. An undo is PostconditionFailed unless the switch was sealed: a promotion is never taken
 * back.
 */
export const regions = defineParticipant('regions', {
  /**
   * The mutex: this failover holds the hub's row from now on, and starts are refused. It refuses for good if another
   * one holds the row, if region or epoch have changed, or if it would begin without a standby and no person allowed
   * it.
   */
  beginSwitch: act<SwitchRegions & { readonly mayBeginAlone: boolean }>({
    refusals: ['ParticipantRefused'],
  }),
  /**
   * Answers whether the epoch has advanced for the new region. If not, it never will: the same epoch goes to the old
   * region, by the same compare-and-set.
   */
  sealSwitch: seal<SwitchRegions>(),
  /** Gives the row back. The cluster is as before, in the epoch to which the seal has advanced. */
  abortSwitch: undo<SwitchRegions>(),
  /** The old region gets no new connections. Planned: open connections may finish. Unplanned: all are cut. */
  closeRoutes: act<SwitchRegions>(),
  reopenRoutes: undo<SwitchRegions>(),
  /** The old region takes no writes any more. A refused write proves it. */
  fenceRegion: act<SwitchRegions, FenceProof | null>(),
  /** The old region takes writes again, in the epoch of the hub. */
  unfenceRegion: undo<SwitchRegions>(),
  /** The new region has applied all that it received, and receives no more. */
  drainRegion: act<SwitchRegions & { readonly seconds: number }>(),
  resumeReplication: undo<SwitchRegions>(),
  /** Measures the loss. PostconditionFailed above `allowedMs`. */
  measureLoss: act<SwitchRegions & { readonly allowedMs: number }, MeasuredLoss | null>(),
  /** The decision: the next epoch and the new region, in the hub's row, by compare-and-set. Never taken back. */
  advanceEpoch: act<SwitchRegions>(),
  /** The new region takes writes, in the new epoch and in no earlier one. */
  promoteRegion: act<SwitchRegions>(),
  /** Redis of the new region is the primary. It is emptied once an epoch, so it has no lock of the old region. */
  promoteRedis: retriableAct<SwitchRegions>(),
  /** Marks events for publishing again that the consumers of the new region may have missed. @returns how many. */
  republish: retriableAct<SwitchRegions, { readonly events: number } | null>(),
  /** All routes lead to the new region. Connections that are there already are not cut. */
  openRoutes: retriableAct<SwitchRegions>(),
  /** Starts are accepted again. The status of each region is stored. */
  endSwitch: retriableAct<SwitchRegions>(),

  /** The decision of a rejoin. It refuses for good if the region is the active one, or if the epoch has changed. */
  beginRejoin: act<RejoinRegion>({ refusals: ['ParticipantRefused'] }),
  /** Answers whether the rejoin has begun. If not, it never will. */
  sealRejoin: seal<RejoinRegion>(),
  /** This step and the next ones answer `null` at once if the rejoin has ended and the regions have moved since. */
  exportErrant: retriableAct<RejoinRegion, ErrantTransactions | null>(),
  /** Replaces the region by a copy of the active one, if it had SQL transactions of its own. */
  rebuildRegion: retriableAct<RejoinRegion>(),
  /** The region replicates from the active one, and has all that the active one had at the time of the call. */
  followActive: retriableAct<RejoinRegion>(),
  /** From now on the active region acknowledges a commit only when this region has it. */
  acknowledge: retriableAct<RejoinRegion>(),
});
export type RegionsActivities = ActivitiesOf<typeof regions>;
