import type { BusinessId, Gid, StepKey } from '../../contracts/engine/ids';
import type { LockKind } from '../../contracts/engine/locks';
import type { AmountAtRisk } from '../../contracts/engine/money';
import type { EarlyStatus, ReviewDecision } from '../../contracts/engine/transaction';
import type { SealAnswer } from '../../contracts/engine/verdict';
import type { Call } from './calls';

/** A compensable step: its act, its undo, and the amounts at risk in between. */
export interface CompensableStep<Result> {
  readonly act: (key: StepKey) => Promise<Result>;
  /** It needs only the key: the fence makes an unneeded undo harmless. */
  readonly undo: (key: StepKey) => Promise<unknown>;
  /** Amounts at risk before the answer. Left out: none, or not yet known. */
  readonly atRisk?: readonly AmountAtRisk[];
  /** Amounts at risk by the answer, instead of `atRisk`. Left out: the answer does not change them. */
  readonly answers?: (result: Result) => readonly AmountAtRisk[];
  /** A run of a build without this step may have gone further, also if the step is refused here. */
  readonly isAdded?: boolean;
}

/** A TCC participant: the same three calls under their own names. Confirm runs once the transaction is decided. */
export interface TccParticipant<Result> {
  readonly try: (key: StepKey) => Promise<Result>;
  readonly confirm: (key: StepKey) => Promise<unknown>;
  readonly cancel: (key: StepKey) => Promise<unknown>;
  readonly isAdded?: boolean;
  readonly atRisk?: readonly AmountAtRisk[];
  readonly answers?: (result: Result) => readonly AmountAtRisk[];
}

/** A step that has taken effect: its key, for the forward step that confirms it, and its result. */
export interface Done<Result> {
  readonly key: StepKey;
  readonly result: Result;
}

/** A lock of the flow. `token` is that of the latest grant. `null`: no isolation, but no risk for money or stock. */
export interface HeldLock {
  readonly token: string | null;
}

/** A request for the decision of a person. */
export interface ReviewRequest {
  readonly withinMs: number;
  /** Subject of the decision in business words: amount and payer. Shown in the Temporal UI. */
  readonly about: string;
}

/** The decision of a person on a transaction in review. */
export interface Reviewed {
  readonly decision: ReviewDecision['decision'];
  /** Subject of the person. */
  readonly by: string;
  readonly note: string | null;
}

/** Functions for a flow. Step names are unique within one transaction, because they name branches. */
export interface Transaction {
  readonly gid: Gid;
  readonly call: Call;
  /** Takes a lock for isolation, and waits while another transaction has it. The kernel gives it back at the end. */
  lock(kind: LockKind, id: BusinessId): Promise<HeldLock>;
  /** A step that can be undone. Its undo is registered before the act runs. */
  step<Result>(name: string, step: CompensableStep<Result>): Promise<Done<Result>>;
  /** A TCC participant: `cancel` is registered as the undo, `confirm` as a forward step after the decision. */
  participant<Result>(name: string, participant: TccParticipant<Result>): Promise<Done<Result>>;
  /** The point of no return. Its name is the name of the flow's decision. */
  pivot<Result>(name: string, act: (key: StepKey) => Promise<Result>): Promise<Done<Result>>;
  /**
   * A step after the pivot. Transient failures are retried for ever; a refusal or failure in a verdict parks.
   * @returns the result of the act, or `undefined` if an operator resolved the step by hand.
   */
  finish<Result>(name: string, act: (key: StepKey) => Promise<Result>): Promise<Result | undefined>;
  /**
   * Waits until a person has decided, and puts the deadline off meanwhile. Call it inside of an act, once a
   * transaction. It fails with ReviewExpired after `withinMs`, and as any act after a cancel.
   * @returns `undefined` if the flow runs again after its decision. Then there is nothing to record: the decision of
   *   the
   *   person was recorded before.
   */
  review(request: ReviewRequest): Promise<Reviewed | undefined>;
  /** Reports an early status to callers, without waiting. The first status stands for good. */
  reportStatus(status: EarlyStatus): void;
}

/** The fenced step that decides a transaction: once it has acted, the transaction goes forward. */
export interface DecisionStep {
  readonly step: string;
  /**
   * Answers whether the decision has happened. If not, it never will. Called before any undo whose cause is not a
   * recorded refusal. That includes runs that never reached the pivot: an earlier run, or another coordinator, may
   * have. Left out if the participant of the pivot has no seal: then the pivot is repeated until its outcome is known.
   */
  readonly seal?: (call: Call, key: StepKey) => Promise<SealAnswer>;
}

/** Undo of a step that this run never reached. */
export interface UndoOfStep {
  readonly step: string;
  /** Amounts that the step would have put at risk. */
  readonly atRisk: readonly AmountAtRisk[];
  readonly undo: (call: Call, key: StepKey) => Promise<unknown>;
}

/** A flow with one input. Every lane can run it. It is deterministic and may run again: the fence answers its acts. */
export interface ExecutableFlow {
  /** Left out: the branch `decide` in `accord` is the decision, after the last step and before the first confirm. */
  readonly decision?: DecisionStep;
  /** Undos of every step that may have acted for an input of this kind, in the order of the flow. */
  readonly undos: readonly UndoOfStep[];
  /** Undos of steps that only an earlier build had. Every ending runs them. */
  readonly retired: readonly UndoOfStep[];
  /** Early status for callers as soon as undo begins, for any cause, unless they have got one before. */
  readonly statusWhenCompensated?: EarlyStatus;
  run(tx: Transaction): Promise<void>;
}
