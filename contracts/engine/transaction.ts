import { defineQuery, defineUpdate } from '@temporalio/workflow';

import type { CompensationReason, ParkReason } from './failures';
import type { Branch, Flow, Gid, StepKey, Tenant } from './ids';
import type { AmountAtRisk } from './money';
import type { FenceVerdict } from './verdict';

/** Base of the input of every flow. Settings are part of it, so that history, replay and tests see them. */
export interface TransactionInput {
  readonly gid: Gid;
  readonly tenant: Tenant;
  readonly flow: Flow;
  /** Deadline, in milliseconds since 1970. Acts stop `undoBudgetMs` before it. */
  readonly deadlineAt: number;
  /** Time before the deadline that is kept for undo. */
  readonly undoBudgetMs: number;
}

/** Default time of a transaction, and the bounds of what a caller may ask for. */
export const deadlineMs = { default: 120_000, min: 1_000, max: 43_200_000 } as const;
/** Undo gets this share of the time: it has as much work as the acts. */
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
 * Status that a caller gets before the ending, as soon as it is decided. The first one stays on the row for good: every
 * retry of the call gets it again. `review`: a person decides.
 */
export const earlyStatuses = ['authorised', 'declined', 'review'] as const;
export type EarlyStatus = (typeof earlyStatuses)[number];

export type StepKind = 'compensable' | 'pivot' | 'retriable';
/**
 * `unknown`: it may have taken effect. `refused`: it surely has not. `undone`: also if the undo found nothing to do.
 * `doneByHand`, `skipped`: an operator decided so; no program has done the work of the step.
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
   * Last failure, unless the step has succeeded since: a refusal, a failure of the protocol, or `unknown`. For a step
   * that is being undone, or was: the failure of its act.
   */
  readonly failure: string | null;
  /** For everybody who may see the transaction: Accord's own sentence, never the text of a driver or a server. */
  readonly detail: string | null;
  /** For operators only: the text of a driver or a server. Left out: nothing beyond the detail. */
  readonly text?: string;
  /** Calls of the step that have ended. Left out: each was answered at its first attempt. */
  readonly calls?: readonly StepCall[];
  /** Left out: the step never waited for a person. */
  readonly parking?: StepParking;
}

/**
 * Record that a step has waited for a person, kept also after it has succeeded: counts and newest values. It is no
 * list, because a step may be retried for months.
 */
export interface StepParking {
  /** Number of times that the step was parked. */
  readonly times: number;
  /** First and last time of parking, in milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** Reason of the last parking, and its failure: a refusal, a failure of the protocol, or `unknown`. */
  readonly reason: ParkReason;
  readonly failure: CompensationReason | 'unknown';
  readonly detail: string;
  /** For operators only: the text of a driver or a server. Left out: nothing beyond the detail. */
  readonly text?: string;
  /** The last decision of a person; `null`: none yet. */
  readonly lastDecision: ParkingDecision | null;
}

/** A decision that was taken on a parked step. */
export interface ParkingDecision {
  readonly decision: Decision;
  /** Subject of the person. */
  readonly by: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Calls of one activity for one step, with those of an operator's retry. */
export interface StepCall {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  /** Attempts of all calls; `null`: a call ended without an answer, so its attempts are unknown. */
  readonly attempts: number | null;
  /** Failure of the last attempt before an answer: a failure of the engine, or `unknown`. Left out: none failed. */
  readonly lastFailure?: string;
  /** For operators only: the text of a driver or a server. Left out: none. */
  readonly text?: string;
}

/** A step of a parked transaction that waits for the decision of an operator. */
export interface ParkedStep {
  readonly step: string;
  readonly reason: ParkReason;
  readonly detail: string;
  readonly decisions: readonly Decision[];
  /** Number of failures of the step that led to parking. */
  readonly failures: number;
  readonly parkedAt: number;
}

/** The reason of an ending, as the caller gets it. */
export interface EndingReason {
  readonly code: string;
  readonly type: CompensationReason;
  readonly step: string | null;
  readonly detail: string;
}

/** An event of the run itself, such as a cancel that came too late, a decision, or a lost lock. */
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
  /** Steps that an operator resolved by hand, in order. */
  readonly resolvedByHand: readonly HandResolution[];
  /** Approvals whose decisions were taken, newest last. */
  readonly approvals: readonly string[];
  readonly notes: readonly TimelineNote[];
  /** Number of notes that later workflow runs of a long transaction did not take over. */
  readonly notesLeftOut: number;
  /** End of the time for a review, in milliseconds since 1970; `null`: nothing is in review. */
  readonly reviewUntil: number | null;
  readonly epoch: number;
  /** This run was reset: it executes again what another run of the same id has done. */
  readonly wasReset: boolean;
}

/**
 * Result of a transaction. A parked transaction has none yet: it waits for an operator. With `resolvedByHand` a person
 * has resolved some steps, so Accord has not done, or undone, all of them.
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

/** The person or key that steers, for the record. */
export interface Actor {
  readonly subject: string;
}

export interface CancelTransaction {
  readonly actor: Actor;
  readonly note: string | null;
}
/**
 * Undoes before the pivot. Refused with PastPivot after it (also if `seal` finds that it has happened), AlreadyEnded.
 */
export const cancelTransactionUpdate = defineUpdate<
  { readonly state: RunState },
  [CancelTransaction]
>('cancelTransaction');

/** The decision of a person on a transaction in review. */
export interface ReviewDecision {
  readonly decision: 'approve' | 'reject';
  readonly actor: Actor;
  readonly note: string | null;
}
/** Decides a review. Refused with NotInReview if the transaction is not in review, or was decided already. */
export const reviewTransactionUpdate = defineUpdate<{ readonly state: RunState }, [ReviewDecision]>(
  'reviewTransaction',
);

export const decisions = ['retry', 'done', 'skip'] as const;
/** `retry`: call again. `done`: done by hand. `skip`: it will not be done. The last two need evidence. */
export type Decision = (typeof decisions)[number];

/**
 * Explains why a decision on a step cannot be taken: names the parked steps and their possible decisions.
 * @returns undefined: the step offers this decision.
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
/** How a decision that needs two persons was taken: a second person approved it, or the first one acted alone. */
export type Consent =
  | { readonly kind: 'approved'; readonly by: string; readonly approval: string }
  | { readonly kind: 'brokenGlass'; readonly reason: string };

/** Decisions that resolve a step by hand. */
export type HandDecision = Exclude<Decision, 'retry'>;

/**
 * A step that a person resolved by hand. It has one shape in the ending, in the row, in events and over HTTP.
 */
export interface HandResolution {
  readonly step: string;
  /** Branch of the effect: the branch of this step, or of the step that this one confirms. */
  readonly branch: Branch;
  /** `done`: the person states that it was done by hand. `skip`: it was not done, and Accord will not do it. */
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
/** Decides a parked step. Refused with NotParked, BadDecision. The history of the run keeps the decision. */
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
