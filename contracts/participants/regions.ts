/** Regions of a cluster, and who moves the active one. */
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

/** `planned`: nothing is wrong, so nothing may be lost, and no outcome may be unknown. */
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
  /** What a person has allowed to be lost, in milliseconds of writes; 0: nothing. */
  readonly lossAllowedMs: number;
  /** A person has said that it may begin although commits are acknowledged by the active region alone. */
  readonly mayBeginAlone: boolean;
}

export interface FailbackInput extends TransactionInput {
  readonly cluster: string;
  /** The one that shall stand by again. */
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

/** What a lost region alone had: commits that nobody was told of, most likely. Evidence, replayed by nobody. */
export interface ErrantTransactions {
  /** Empty: none. */
  readonly gtids: string;
  /** Where they were written down, on the region's own machine. */
  readonly file: string | null;
}

/** One step of a switch, as its activity is told. */
export interface SwitchRegions extends Keyed {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly kind: FailoverKind;
  readonly epoch: number;
}

/** How the old region was fenced: by its own word, or by the death of its process. */
export interface FenceProof {
  readonly way: 'sql' | 'kill';
  readonly ms: number;
}

/** What is lost: writes that were acknowledged to the hub, and that the new region does not have. */
export interface MeasuredLoss {
  readonly ms: number;
}

/**
 * Participant `regions`: no SQL fence of its own. Each activity makes something so and looks whether it is, so that it may
 * be repeated and may come late. Its one decision is fenced, in the hub: a switch has happened once it has burnt its
 * epoch, a rejoin once it has begun.
 *
 * A postcondition that has failed three times is PostconditionFailed; whatever else goes wrong is tried again. Only what
 * begins refuses (ParticipantRefused): the hub has said no, and nothing was done that an undo could take back.
 *
 * A switch: what comes before its decision answers `null` at once where it is decided, and PostconditionFailed where it
 * was sealed. What comes behind it is PostconditionFailed unless it is decided, and answers `null` at once where it has
 * ended. An undo is PostconditionFailed unless it was sealed: a region that was promoted is never taken back.
 */
export const regions = defineParticipant('regions', {
  /**
   * The mutex: the hub's row is this failover's from now on, and starts are refused. Refuses, for good, where another
   * holds it, where region or epoch are others, and where nobody has allowed to begin alone.
   */
  beginSwitch: act<SwitchRegions & { readonly mayBeginAlone: boolean }>({
    refusals: ['ParticipantRefused'],
  }),
  /**
   * Has it burnt its epoch for the new region? If not, it never will: the same epoch is burnt for the old one, by the same
   * compare-and-set.
   */
  sealSwitch: seal<SwitchRegions>(),
  /** Gives the row back: the cluster is as it was, in the epoch that the seal has burnt. */
  abortSwitch: undo<SwitchRegions>(),
  /** Nobody new comes to the old region. Planned: who is there may finish; unplanned: everybody is cut. */
  closeRoutes: act<SwitchRegions>(),
  reopenRoutes: undo<SwitchRegions>(),
  /** The old region takes no write any more, which a failing one proves. */
  fenceRegion: act<SwitchRegions, FenceProof | null>(),
  /** It takes writes again, in the epoch of the hub. */
  unfenceRegion: undo<SwitchRegions>(),
  /** All that has come to the new region is applied, and nothing more comes. */
  drainRegion: act<SwitchRegions & { readonly seconds: number }>(),
  resumeReplication: undo<SwitchRegions>(),
  /** PostconditionFailed above `allowedMs`. */
  measureLoss: act<SwitchRegions & { readonly allowedMs: number }, MeasuredLoss | null>(),
  /** The decision: the next epoch and the new region, in the hub's row, by compare-and-set. Never taken back. */
  advanceEpoch: act<SwitchRegions>(),
  /** The new region takes writes, in the new epoch and in no earlier one. */
  promoteRegion: act<SwitchRegions>(),
  /** Redis of the new region leads, without a lock of the old one; emptied once an epoch. */
  promoteRedis: retriableAct<SwitchRegions>(),
  /** Events that the new region's consumers may not have seen will be published again. @returns how many. */
  republish: retriableAct<SwitchRegions, { readonly events: number } | null>(),
  /** Everybody is led to the new region. Where they are, nobody is cut. */
  openRoutes: retriableAct<SwitchRegions>(),
  /** Starts are taken again; what became of the regions is written down. */
  endSwitch: retriableAct<SwitchRegions>(),

  /** The decision of a rejoin. Refuses, for good, where it is the active one, or the epoch is another one. */
  beginRejoin: act<RejoinRegion>({ refusals: ['ParticipantRefused'] }),
  /** Has it begun? If not, it never will. */
  sealRejoin: seal<RejoinRegion>(),
  /** This and what follows: `null` at once where it has ended, and the regions have moved since. */
  exportErrant: retriableAct<RejoinRegion, ErrantTransactions | null>(),
  /** A copy of the active region, where it had anything of its own. */
  rebuildRegion: retriableAct<RejoinRegion>(),
  /** Pulls from the active region, and has all that this one had when it was asked. */
  followActive: retriableAct<RejoinRegion>(),
  /** Commits of the active region are acknowledged when this one has them. */
  acknowledge: retriableAct<RejoinRegion>(),
});
export type RegionsActivities = ActivitiesOf<typeof regions>;
