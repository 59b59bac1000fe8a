import { isCancellation } from '@temporalio/workflow';

import type { RetryBudget } from './activity-options';
import type { Operation } from '../../contracts/engine/definition';
import type { Keyed, Verb, Verdict } from '../../contracts/engine/verdict';
import type { Lane } from './lanes/lane';
import type { CallRecord, Run, StepRecord } from './run';
import { countCall } from './run';
import { failureOf, failureOfVerdict } from './step-failure';

/** Calls an operation of a participant for one item, and returns its result. */
export type Call = <Request extends object, Result>(
  operation: Operation<Verb, Request, Result>,
  request: Omit<Request & Keyed, 'minEpoch'>,
) => Promise<Result>;

/**
 * The calls of one transaction. A call belongs to the step that makes it. The step receives the fence verdict, and its
 * retry budget decides how long the call is tried. A refusal or failure in a verdict is thrown as a non-retryable
 * `ApplicationFailure` of that type.
 */
export function createCalls(run: Run, lane: Lane): Call {
  return async <Request extends object, Result>(
    operation: Operation<Verb, Request, Result>,
    request: Omit<Request & Keyed, 'minEpoch'>,
  ) => {
    const { type: activity, verb } = operation;
    const { key }: Pick<Keyed, 'key'> = request;
    const context = lane.calls.getStore();
    if (!context)
      throw new Error(`${activity} was called outside of a step: nothing would undo it.`);
    const { step, budget } = context;
    step.effect = key;
    if (verb !== 'undo') step.wasCalled = true;
    const verdict = await lane
      .send({
        activity,
        verb,
        request: { ...request, key, minEpoch: run.epoch },
        budget,
        summary: `${step.name} · ${run.input.gid}`,
      })
      .catch((error: unknown) => {
        countCall(step, activity, { attempts: null, ...lastFailureIn(error) });
        throw error;
      });
    countCall(step, activity, { attempts: verdict.attempt ?? 1, ...lastFailureOf(verdict) });
    run.epoch = Math.max(run.epoch, verdict.epoch);
    step.fence = verdict.fence;
    if (verdict.ok) return verdict.result as Result; // The implementation of the operation has this type.
    throw failureOfVerdict(operation, verdict);
  };
}

/** Failure of the last attempt of a call without an answer. None if the kernel has cancelled the call. */
function lastFailureIn(error: unknown): Pick<CallRecord, 'lastFailure' | 'text'> {
  if (isCancellation(error)) return {};
  const { type, text } = failureOf(error);
  return { lastFailure: type, ...(text !== null && { text }) };
}

/** Failure of the attempt before the answered one. */
const lastFailureOf = ({
  lastFailure,
}: Verdict<unknown>): Pick<CallRecord, 'lastFailure' | 'text'> => ({
  ...(lastFailure && { lastFailure: lastFailure.type }),
  ...(lastFailure?.text !== undefined && { text: lastFailure.text }),
});

/** Runs the call of a step, so that the lane knows the step. */
export const inStep = <Result>(
  lane: Lane,
  step: StepRecord,
  budget: RetryBudget,
  call: () => Promise<Result>,
): Promise<Result> => lane.calls.run({ step, budget }, call);
