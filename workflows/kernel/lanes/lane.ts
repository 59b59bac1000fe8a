import type { AsyncLocalStorage } from '@temporalio/workflow';

import { partsOfStepKey } from '../../../contracts/engine/ids';
import type { LockGrant, LockRequest } from '../../../contracts/engine/locks';
import type { Keyed, Verb, Verdict, VerdictName } from '../../../contracts/engine/verdict';
import type { RetryBudget } from '../activity-options';
import type { Run, StepRecord } from '../run';

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

/** The step that a facade call belongs to: it receives the verdict. */
export interface StepContext {
  readonly step: StepRecord;
  readonly budget: RetryBudget;
}

/** Locks as a lane takes them: `acquire` waits for at most `timeLeftMs`. */
export interface LaneLocks {
  acquire(request: LockRequest, timeLeftMs: number): Promise<LockGrant>;
  renew(request: LockRequest): Promise<boolean>;
  release(request: LockRequest): Promise<void>;
}

/** How the calls of a transaction reach Temporal: a workflow each, or many in one. A flow does not see it. */
export interface Lane {
  /** Whose call is it? One storage a workflow: each more would cost every promise of the workflow. */
  readonly calls: InstanceType<typeof AsyncLocalStorage<StepContext>>;
  /** Sends one item and answers with its own verdict. Throws what the activity threw. */
  send(call: ItemCall): Promise<Verdict<unknown>>;
  /** Locks, where the lane takes any: the batch lane never waits. */
  readonly locks: LaneLocks | undefined;
  /**
   * Resolves when it is done, or when the next undo need not wait for it any longer. A lane without timers waits until
   * it is done.
   */
  pauseForUndo(isDone: () => boolean): Promise<unknown>;
  /** Shows state and step where people look (search attributes, details). */
  show(run: Run): void;
}

/** The name that an item's verdict must bear. */
export function verdictNameOf({ request, verb }: Pick<ItemCall, 'request' | 'verb'>): VerdictName {
  const parts = partsOfStepKey(request.key);
  if (!parts) throw new Error(`${request.key} is no step key.`);
  return { ...parts, verb };
}

export const isNamed = (name: VerdictName, verdict: VerdictName): boolean =>
  verdict.gid === name.gid && verdict.branch === name.branch && verdict.verb === name.verb;
