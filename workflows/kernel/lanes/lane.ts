import type { AsyncLocalStorage } from '@temporalio/workflow';

import { partsOfStepKey } from '../../../contracts/engine/ids';
import type { LockGrant, LockRequest } from '../../../contracts/engine/locks';
import type { Keyed, Verb, Verdict, VerdictName } from '../../../contracts/engine/verdict';
import type { RetryBudget } from '../activity-options';
import type { Run, StepRecord } from '../run';
import { attemptFailureOf, wasNotTried } from '../step-failure';

/** One item on its way to a participant. */
export interface ItemCall {
  /** `<participant>.<activity>`. */
  readonly activity: string;
  readonly verb: Verb;
  readonly request: Keyed;
  readonly budget: RetryBudget;
  /** For the Temporal UI. */
  readonly summary: string;
}

/** The step that a call belongs to. It receives the verdict. */
export interface StepContext {
  readonly step: StepRecord;
  readonly budget: RetryBudget;
}

/** Locks of a lane. `acquire` waits for at most `timeLeftMs`. */
export interface LaneLocks {
  acquire(request: LockRequest, timeLeftMs: number): Promise<LockGrant>;
  renew(request: LockRequest): Promise<boolean>;
  release(request: LockRequest): Promise<void>;
}

/**
 * Sends the calls of transactions to Temporal: one workflow for each transaction, or one for many. Flows do not see it.
 */
export interface Lane {
  /** The step of the present call. One storage for a workflow: each more would cost every promise of the workflow. */
  readonly calls: InstanceType<typeof AsyncLocalStorage<StepContext>>;
  /** Workflow id of the run, which the rows of its transactions name as their owner. */
  readonly owner: string;
  /** Sends one item and returns its own verdict. Throws the error of the activity. */
  send(call: ItemCall): Promise<Verdict<unknown>>;
  /** Locks, if the lane takes any. The batch lane takes none, because it never waits. */
  readonly locks: LaneLocks | undefined;
  /**
   * Ends this run of a transaction, which goes on in a workflow of its own: it has to wait for a person or for a time, or
   * its outcome is not known from a recorded answer. It never resolves. `undefined`: the workflow is its own.
   */
  readonly leave: (() => Promise<never>) | undefined;
  /**
   * Resolves when an undo is done, or when the next undo need not wait for it any longer. A lane without timers waits
   * until it is done.
   */
  pauseForUndo(isDone: () => boolean): Promise<unknown>;
  /** Shows state and step in Temporal: search attributes and details. */
  show(run: Run): void;
}

/** Name that the verdict of an item must have. */
export function verdictNameOf({ request, verb }: Pick<ItemCall, 'request' | 'verb'>): VerdictName {
  const parts = partsOfStepKey(request.key);
  if (!parts) throw new Error(`${request.key} is no step key.`);
  return { ...parts, verb };
}

/** The verdict of a remote call counts the local attempt before it, if there was one. */
export function afterLocal(verdict: Verdict<unknown>, error: unknown): Verdict<unknown> {
  if (wasNotTried(error)) return verdict;
  return {
    ...verdict,
    attempt: (verdict.attempt ?? 1) + 1,
    lastFailure: verdict.lastFailure ?? attemptFailureOf(error),
  };
}
