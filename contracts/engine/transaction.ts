import { defineQuery, defineUpdate } from '@temporalio/workflow';

import type { CompensationReason, ParkReason } from './failures';
import type { Branch, Flow, Gid, StepKey, Tenant } from './ids';
import type { AmountAtRisk } from './money';
import type { FenceVerdict } from './verdict';

/** What every flow's input begins with: settings travel in it, so that history, replay and tests see them. */
export interface TransactionInput {
  readonly gid: Gid;
  readonly tenant: Tenant;
  readonly flow: Flow;
  /** End of the transaction's time, in milliseconds since 1970; work stops `undoBudgetMs` before it. */
  readonly deadlineAt: number;
  /** Share of the time that is kept for undoing. */
  readonly undoBudgetMs: number;
}

/** Default life of a transaction, and the bounds of what a caller may ask for. */
export const deadlineMs = { default: 120_000, min: 1_000, max: 43_200_000 } as const;
/** The undo budget is this share of the life: undo has as much to do as the acts had. */
export const undoBudgetShare = 0.5;

export const runStates = [
  'accepted',
  'running',
  'undoing',
  'parked',
  'completed',
  'compensated',
] as const;
export type RunState = (typeof runStates)[number];
export type Ending = Extract<RunState, 'completed' | 'compensated'>;
export const isEnding = (state: RunState): state is Ending =>
  state === 'completed' || state === 'compensated';

/**
 * What a caller is told before the ending, as soon as it is decided. The first one stands on the row for good: every
 * retry of the call gets it again. `review`: a person decides.
 */
export const earlyStatuses = ['authorised', 'declined', 'review'] as const;
export type EarlyStatus = (typeof earlyStatuses)[number];

export type StepKind = 'compensable' | 'pivot' | 'retriable';
/**
 * `unknown`: it may have taken effect. `refused`: it surely has not. `undone` also where the undo found nothing to do.
 * `doneByHand`, `skipped`: an operator said so, and no program has done what was owed.
 */
export type StepState =
  | 'running'
  | 'done'
  | 'refused'
  | 'unknown'
  | 'undoing'
  | 'undone'
  | 'parked'
  | 'doneByHand'
  | 'skipped';

/** One step of the live timeline. Times are milliseconds since 1970, by the workflow's clock. */
export interface StepView {
  readonly name: string;
  readonly kind: StepKind;
  readonly key: StepKey;
  readonly state: StepState;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly fence: FenceVerdict | null;
  /**
   * How it failed last, if it did and has not succeeded since: a refusal, a failure of the protocol, or `unknown`. Of a step that is being
   * undone, or was: how its act failed.
   */
  readonly failure: string | null;
  /** For everybody who may see the transaction: a sentence of ours, never what a driver or a server said. */
  readonly detail: string | null;
  /** For operators alone: what was said. Left out: nothing beyond the detail. */
  readonly text?: string;
  /** Calls of the step that have ended; left out: each was answered at its first attempt. */
  readonly calls?: readonly StepCall[];
  /** Left out: it never waited for a person. */
  readonly parking?: StepParking;
}

/**
 * That a step has waited for a person, also once it has succeeded: counts, and the newest of each. No list: a step may be
 * retried for months.
 */
export interface StepParking {
  /** How often it was parked. */
  readonly times: number;
  /** When it was parked first and last, in milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Why it was parked last, and the failure that did it: a refusal, a failure of the protocol, or `unknown`. */
  readonly reason: ParkReason;
  readonly failure: CompensationReason | 'unknown';
  readonly detail: string;
  /** For operators alone: what was said of it. Left out: nothing beyond the detail. */
  readonly text?: string;
  /** What a person has decided last; `null`: nobody has yet. */
  readonly lastDecision: ParkingDecision | null;
}

/** A decision on a parked step, as it was taken. */
export interface ParkingDecision {
  readonly decision: Decision;
  /** Subject of the person. */
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Calls of one activity for one step, those of an operator's retry included. */
export interface StepCall {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  /** Attempts of all of them; `null`: one ended without an answer, and nobody has counted. */
  readonly attempts: number | null;
  /** How the last attempt before an answer failed: a failure of the engine, or `unknown`. Left out: none did. */
  readonly lastFailure?: string;
  /** For operators alone: what was said of it. Left out: nothing. */
  readonly text?: string;
}

/** What a parked transaction waits for: the decision of an operator on one step. */
export interface ParkedStep {
  readonly step: string;
  readonly reason: ParkReason;
  readonly detail: string;
  readonly decisions: readonly Decision[];
  /** How often the step has failed in a way that parks. */
  readonly failures: number;
  readonly parkedAt: number;
}

/** The reason of an ending, as the caller reads it. */
export interface EndingReason {
  readonly code: string;
  readonly type: CompensationReason;
  readonly step: string | null;
  readonly detail: string;
}

/** Something that happened to the run itself: a cancel that came too late, a decision, a lost lock. */
export interface TimelineNote {
  readonly at: number;
  readonly text: string;
}

export interface Timeline {
  readonly gid: Gid;
  readonly state: RunState;
  readonly pivotPassed: boolean;
  readonly step: string | null;
  readonly steps: readonly StepView[];
  readonly parked: readonly ParkedStep[];
  readonly atRisk: readonly AmountAtRisk[];
  readonly reason: EndingReason | null;
  /** Steps that an operator resolved in the place of a program, in order. */
  readonly resolvedByHand: readonly HandResolution[];
  /** Approvals that a decision was taken for, newest last. */
  readonly approvals: readonly string[];
  readonly notes: readonly TimelineNote[];
  /** Notes of earlier runs of a long transaction that did not come along. */
  readonly notesLeftOut: number;
  /** Until when a person may decide, in milliseconds since 1970; `null`: nothing is in review. */
  readonly reviewUntil: number | null;
  readonly epoch: number;
  /** This run was reset: it lives again what another run of the same id has done. */
  readonly wasReset: boolean;
}

/**
 * How a transaction ended. A parked transaction has no result yet: it waits for an operator. With `resolvedByHand` a
 * person has answered for some of it, so not all of it was done, or undone, by Accord.
 */
export type TransactionResult = (
  | { readonly outcome: 'completed'; readonly steps: readonly StepView[] }
  | {
      readonly outcome: 'compensated';
      readonly reason: EndingReason;
      readonly steps: readonly StepView[];
    }
) & { readonly resolvedByHand?: readonly HandResolution[] };

export const timelineQuery = defineQuery<Timeline>('timeline');

/** A person or key that steers, for the record. */
export interface Actor {
  readonly subject: string;
}

export interface CancelTransaction {
  readonly actor: Actor;
  readonly note: string | null;
}
/** Undo before the pivot. Refused with PastPivot after it (also if `seal` finds that it has happened), AlreadyEnded. */
export const cancelTransactionUpdate = defineUpdate<
  { readonly state: RunState },
  [CancelTransaction]
>('cancelTransaction');

/** What a person says to a transaction in review. */
export interface ReviewDecision {
  readonly decision: 'approve' | 'reject';
  readonly actor: Actor;
  readonly note: string | null;
}
/** Decides a review. Refused with NotInReview: it waits for none, or was decided. */
export const reviewTransactionUpdate = defineUpdate<{ readonly state: RunState }, [ReviewDecision]>(
  'reviewTransaction',
);

export const decisions = ['retry', 'done', 'skip'] as const;
/** `retry`: call again. `done`: it has been done by hand. `skip`: it will not be done. The last two need evidence. */
export type Decision = (typeof decisions)[number];

/**
 * Why a decision on a step cannot be taken: what is parked, and what may be decided there.
 * @returns undefined: it is one of those that the step offers.
 */
export function whyNotOffered(
  parked: readonly Pick<ParkedStep, 'step' | 'decisions'>[],
  { step, decision }: { readonly step: string; readonly decision: Decision },
): string | undefined {
  const offered = parked.find((one) => one.step === step)?.decisions;
  if (offered?.includes(decision)) return undefined;
  const all = parked.map((one) => `${one.step}: ${one.decisions.join(', ')}`).join('; ');
  const why = offered ? `${decision} is no decision on ${step}` : `${step} is not parked`;
  return `${why}. What may be decided: ${all}.`;
}

export interface Evidence {
  readonly kind: string;
  readonly ref: string;
  readonly note: string | null;
}
/** How a decision that wants two persons came about: a second one approved it, or the first one had to act alone. */
export type Consent =
  | { readonly kind: 'approved'; readonly by: string; readonly approval: string }
  | { readonly kind: 'brokenGlass'; readonly reason: string };

/** What a person may decide in the place of a program. */
export type HandDecision = Exclude<Decision, 'retry'>;

/**
 * A step that a person resolved in the place of a program. One shape in the ending, in the row, in events and over HTTP.
 */
export interface HandResolution {
  readonly step: string;
  /** Branch of the effect: the branch of this step, or of the step that this one confirms. */
  readonly branch: Branch;
  /** `done`: the person says that it has been done by hand. `skip`: it was not done, and Accord will not do it. */
  readonly decision: HandDecision;
  readonly by: string;
  /** `null`: one person was enough. */
  readonly consent: Consent | null;
  readonly evidence: Evidence;
  /** RFC 3339, UTC, milliseconds. */
  readonly decidedAt: string;
  /** For `skip`: what is still held. For `done`: what the person says is no longer held. */
  readonly amounts: readonly AmountAtRisk[];
}

export interface ResolveTransaction {
  readonly step: string;
  readonly decision: Decision;
  readonly actor: Actor;
  /** Required for `done` and `skip`. */
  readonly evidence: Evidence | null;
  /** Absent: the decision of one person was enough. */
  readonly consent?: Consent;
}
/** Decides a parked step. Refused with NotParked, BadDecision; the decision is kept in the run's history. */
export const resolveTransactionUpdate = defineUpdate<
  { readonly state: RunState },
  [ResolveTransaction]
>('resolveTransaction');

export interface ParkTransaction {
  readonly step: string;
  readonly actor: Actor;
  readonly note: string;
}
/** Parks a stuck undo or retriable step, so that it can be decided by hand. Refused with NotStuck. */
export const parkTransactionUpdate = defineUpdate<{ readonly state: RunState }, [ParkTransaction]>(
  'parkTransaction',
);
