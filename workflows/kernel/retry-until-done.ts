import { CancellationScope, isCancellation, sleep, TemporalFailure } from '@temporalio/workflow';

import type { ParkReason, VerdictFailure } from '../../contracts/engine/failures';
import type { Decision } from '../../contracts/engine/transaction';
import { inStep } from './calls';
import type { Lane } from './lanes/lane';
import type { Parking } from './parking';
import type { Run, StepFailure, StepRecord } from './run';
import { resolveByHand, endStep } from './run';
import { failureOf, verdictFailureOf } from './step-failure';

/** Pause between calls after a permanent failure of an unknown kind. Temporal itself retries transient failures. */
const oddPauseMs = { first: 1_000, max: 30_000 } as const;

/** The outcome of one try of a call that must succeed. */
export type Attempt<Result> =
  | { readonly ok: true; readonly result: Result }
  | { readonly ok: false; readonly reason: ParkReason; readonly failed: StepFailure };

/** A call that must succeed: undo, seal, and every step after the decision. */
export interface OwedCall<Result> {
  readonly step: StepRecord;
  readonly call: () => Promise<Result>;
  /** The reason for parking after a refusal or failure in a verdict. */
  readonly reason: ParkReason;
  readonly decisions: readonly Decision[];
  /** The state of the step after a successful call. */
  readonly leaves: StepRecord['state'];
}

export interface RetryUntilDone {
  /**
   * Calls until there is a verdict: transient failures are retried for ever. A refusal or failure in it is the answer.
   */
  attempt<Result>(owed: OwedCall<Result>): Promise<Attempt<Result>>;
  /**
   * Calls until it succeeds, or an operator resolves the step by hand. Shielded from every cancel.
   * @returns the result, or `undefined` if an operator resolved the step by hand.
   */
  persist<Result>(owed: OwedCall<Result>, last?: Attempt<Result>): Promise<Result | undefined>;
}

export function createRetryUntilDone(run: Run, lane: Lane, parking: Parking): RetryUntilDone {
  return {
    attempt: (owed) => owing(() => attempt(owed)),
    persist: (owed, last) => owing(() => persist(owed, last)),
  };

  async function owing<Result>(work: () => Promise<Result>): Promise<Result> {
    run.owing += 1;
    try {
      return await work();
    } finally {
      run.owing -= 1;
    }
  }

  async function persist<Result>(
    owed: OwedCall<Result>,
    last?: Attempt<Result>,
  ): Promise<Result | undefined> {
    let outcome = last ?? restoredAttempt(run, owed.step) ?? (await attempt(owed));
    while (!outcome.ok) {
      if (lane.leave) return lane.leave();
      const { reason, failed } = outcome;
      const asked = await CancellationScope.nonCancellable(() =>
        parking.park(owed.step, { reason, failed, decisions: owed.decisions }),
      );
      if (asked.decision !== 'retry') {
        resolveByHand(run, owed.step, asked.decision, asked);
        return undefined;
      }
      outcome = await attempt(owed);
    }
    return outcome.result;
  }

  async function attempt<Result>(owed: OwedCall<Result>): Promise<Attempt<Result>> {
    const { step } = owed;
    const operator = { asked: false };
    try {
      const result = await CancellationScope.nonCancellable(() => {
        const scope = new CancellationScope(); // With it an operator can end a call that is retried for ever.
        step.interrupt = () => {
          operator.asked = true;
          scope.cancel();
        };
        return scope.run(() => callUntilKnown(owed));
      });
      endStep(run, step, owed.leaves);
      // An earlier failure no longer counts: the call has succeeded.
      if (!isUndo(owed)) [step.failure, step.detail, step.text] = [null, null, null];
      return { ok: true, result };
    } catch (error) {
      const type = fail(owed, error);
      const reason = type === 'InvariantBroken' ? 'invariant_broken' : owed.reason;
      return {
        ok: false,
        reason: operator.asked ? 'operator' : reason,
        failed: failureOf(error),
      };
    } finally {
      step.interrupt = undefined;
    }
  }

  /**
   * Throws only a refusal or failure of a verdict, or the cancel of an operator. No person can decide about any other
   * failure: the call is repeated, and the step is shown as stuck.
   */
  async function callUntilKnown<Result>(owed: OwedCall<Result>): Promise<Result> {
    const { step, call } = owed;
    for (
      let pauseMs: number = oddPauseMs.first;
      ;
      pauseMs = Math.min(pauseMs * 2, oddPauseMs.max)
    ) {
      step.state = isUndo(owed) ? 'undoing' : 'running';
      lane.show(run);
      try {
        return await inStep(lane, step, { kind: 'forever' }, call);
      } catch (error) {
        if (fail(owed, error) !== undefined || isCancellation(error)) throw error;
      }
      if (lane.leave) return lane.leave();
      run.resting += 1;
      const summary = `until ${step.name} is called again`;
      const until = run.clock.now() + pauseMs;
      await sleep(pauseMs, { summary }).finally(() => (run.resting -= 1));
      run.clock.reached(until);
    }
  }

  /**
   * A failed undo keeps the failure of the act in its step, because that is the reason for the undo.
   * @returns the failure of a verdict, if there is one. Throws a bug on: its task waits for a repaired build.
   */
  function fail(owed: OwedCall<unknown>, error: unknown): VerdictFailure | undefined {
    if (!(error instanceof TemporalFailure)) throw error;
    const { type, detail, text } = failureOf(error);
    if (!isUndo(owed)) Object.assign(owed.step, { failure: type, detail, text });
    return verdictFailureOf(error);
  }
}

const isUndo = ({ leaves }: OwedCall<unknown>): boolean => leaves === 'undone';

/** The outcome of a step that an earlier run of this transaction has parked. */
export function restoredAttempt(
  run: Run,
  { name, parking }: StepRecord,
): (Attempt<never> & { readonly ok: false }) | undefined {
  const before = run.restored.get(name);
  if (!before || !parking) return undefined;
  const { reason, failure: type, detail, text = null } = parking;
  return { ok: false, reason, failed: { type, detail, text } };
}
