import type { BusinessId, Gid, StepKey } from '../../contracts/engine/ids';
import type { LockKind } from '../../contracts/engine/locks';
import type { AmountAtRisk } from '../../contracts/engine/money';
import type { EarlyStatus, ReviewDecision } from '../../contracts/engine/transaction';
import type { SealAnswer } from '../../contracts/engine/verdict';
import type { Call } from './calls';

/** What a compensable step does, how it is taken back, and what is at risk in between. */
export interface CompensableStep<Result> {
  readonly act: (key: StepKey) => Promise<Result>;
  /** Asked for the key alone: the fence makes an unneeded undo harmless. */
  readonly undo: (key: StepKey) => Promise<unknown>;
  /** Before its answer; left out: nothing, or nobody knows it yet. */
  readonly atRisk?: readonly AmountAtRisk[];
  /** What the answer says is at risk, in the place of `atRisk`; left out: it says nothing of that. */
  readonly answers?: (result: Result) => readonly AmountAtRisk[];
  /** A build without the step may have come further than one that is refused here. */
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

/** A lock as the flow holds it; `token` is always that of the latest grant. `null`: no isolation, safety as ever. */
export interface HeldLock {
  readonly token: string | null;
}

/** A question to a person. */
export interface ReviewRequest {
  readonly withinMs: number;
  /** What the person decides about, in business words: amount and payer. Shown in the Temporal UI. */
  readonly about: string;
}

/** What a person said to a transaction in review. */
export interface Reviewed {
  readonly decision: ReviewDecision['decision'];
  /** Subject of the person. */
  readonly by: string;
  readonly note: string | null;
}

/** The words of a flow. Step names are unique within one transaction: they name branches. */
export interface Transaction {
  readonly gid: Gid;
  readonly call: Call;
  /** Takes a lock for isolation; waits while another transaction has it. Given back at the end. */
  lock(kind: LockKind, id: BusinessId): Promise<HeldLock>;
  /** A step that can be undone. Its undo is registered before the act runs. */
  step<Result>(name: string, step: CompensableStep<Result>): Promise<Done<Result>>;
  /** A TCC participant: `cancel` is registered as the undo, `confirm` as a forward step after the decision. */
  participant<Result>(name: string, participant: TccParticipant<Result>): Promise<Done<Result>>;
  /** The point of no return; its name is that of the flow's decision. */
  pivot<Result>(name: string, act: (key: StepKey) => Promise<Result>): Promise<Done<Result>>;
  /**
   * A step after the pivot: only forward. Transient failures are retried for ever, a verdict's "no" parks.
   * @returns the act's result, or `undefined` where an operator resolved the step by hand.
   */
  finish<Result>(name: string, act: (key: StepKey) => Promise<Result>): Promise<Result | undefined>;
  /**
   * Inside of an act, once a transaction: waits until a person has decided, and puts the deadline off meanwhile. Fails
   * with ReviewExpired after `withinMs`, as any act with a cancel.
   * @returns `undefined` where the flow runs again after its decision: nobody is asked, and there is nothing to
   *   record, because what the person said was recorded before the decision.
   */
  review(request: ReviewRequest): Promise<Reviewed | undefined>;
  /** Tells callers before the ending; the first of all that is told stands for good. Waits for nobody. */
  reportStatus(status: EarlyStatus): void;
}

/** The fenced step that decides a transaction: once it has acted, the transaction goes forward. */
export interface DecisionStep {
  readonly step: string;
  /**
   * Did it happen? If not, it never will. Asked before any undo whose cause is not a recorded refusal, so also where
   * this run never came to the pivot: an earlier life of it, or another coordinator, may have.
   * Left out where the pivot's participant offers none: then the pivot is repeated until it is known, never undone.
   */
  readonly seal?: (call: Call, key: StepKey) => Promise<SealAnswer>;
}

/** How a step is taken back by a life of the transaction that never came to it. */
export interface UndoOfStep {
  readonly step: string;
  /** What it would have put at risk. */
  readonly atRisk: readonly AmountAtRisk[];
  readonly undo: (call: Call, key: StepKey) => Promise<unknown>;
}

/** A flow with one input: run by every lane. Deterministic; may run again, when every act is answered by the fence. */
export interface ExecutableFlow {
  /** Left out: the branch `decide` in `accord` decides, after the last step and before the first confirm. */
  readonly decision?: DecisionStep;
  /** Undos of every step that may have acted for an input of this kind, in the order of the flow. */
  readonly undos: readonly UndoOfStep[];
  /** Undos of steps that only an earlier build had. Every ending runs them. */
  readonly retired: readonly UndoOfStep[];
  /** Told to callers as soon as the transaction is being undone, whatever the cause, if they were told nothing before. */
  readonly statusWhenCompensated?: EarlyStatus;
  run(tx: Transaction): Promise<void>;
}
