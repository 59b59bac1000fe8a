import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';

import { isOperatorFlow } from '../../contracts/engine/ids';
import {
  cancelTransactionUpdate,
  isEnding,
  parkTransactionUpdate,
  resolveTransactionUpdate,
  reviewTransactionUpdate,
  timelineQuery,
} from '../../contracts/engine/transaction';
import type {
  CancelTransaction,
  ParkTransaction,
  ResolveTransaction,
  ReviewDecision,
  TransactionInput,
  TransactionResult,
} from '../../contracts/engine/transaction';
import { coordinate } from './coordinator';
import { continueWhenLong } from './continuation';
import type { Kernel } from './kernel';
import { createClock, waitFor } from './clock';
import { createKernel } from './kernel';
import type { Carried } from './run';
import { actingEndsAt, continuedRun, createRun, isDecided, note, timelineOf } from './run';
import { createSingleLane } from './lanes/single-lane';
import type { ExecutableFlow } from './executable-flow';

/**
 * Runs one transaction as a workflow of its own: completed, compensated, or parked until an operator has decided.
 * Never fails for a business reason; *Failed* in Temporal means a defect.
 *
 * @param carried state of the workflow run that this one continues.
 */
export async function runTransaction(
  input: TransactionInput,
  flow: ExecutableFlow,
  carried?: Carried,
): Promise<TransactionResult> {
  const { runId, originalExecutionRunId, continuedFromExecutionRunId } = workflowInfo();
  if (continuedFromExecutionRunId && !carried) {
    throw new Error('This workflow does not take what its earlier run has learnt.'); // It would begin from the start.
  }
  const clock = createClock();
  const wasReset = runId !== originalExecutionRunId;
  const run = carried ? continuedRun(input, carried, clock) : createRun(input, { clock, wasReset });
  const kernel = createKernel(
    run,
    createSingleLane({ clock, isLocalFirst: !isOperatorFlow(input.flow) }),
    flow,
  );
  answerMessages(kernel);
  watchCancel(kernel);
  watchDeadline(kernel);
  const result = await Promise.race([
    coordinate(kernel, flow, carried !== undefined),
    continueWhenLong(kernel, input),
  ]);
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  return result;
}

/**
 * A timer in the workflow: Temporal's run timeout would kill without undo. It is set again when a review extends it.
 */
function watchDeadline({ run, body }: Kernel): void {
  const isUndecided = () => run.phase === 'acting' || run.phase === 'deciding';
  void CancellationScope.nonCancellable(async () => {
    for (let isOver = false; !isOver && isUndecided();) {
      const endsAt = actingEndsAt(run);
      isOver = !(await waitFor(run.clock, () => actingEndsAt(run) !== endsAt, {
        ms: Math.max(1, endsAt - run.clock.now()),
        summary: 'until the time for acting is over',
      }));
    }
    if (!isUndecided()) return;
    run.expired = true;
    body.cancel();
  });
}

/** Temporal's own cancel cannot be refused. Before the decision it leads to undo; after it, it is noted and ignored. */
function watchCancel({ run }: Kernel): void {
  CancellationScope.current().cancelRequested.catch(() => {
    run.clock.messaged();
    if (isDecided(run)) note(run, 'A cancel in Temporal came after the pivot and was ignored.');
  });
}

function answerMessages(kernel: Kernel): void {
  const { run, body, parking, review } = kernel;
  setHandler(timelineQuery, () => timelineOf(run));

  setHandler(
    cancelTransactionUpdate,
    async ({ actor }) => {
      run.clock.messaged();
      if (run.phase !== 'undoing') {
        run.cancelAsked ??= actor.subject;
        body.cancel();
        // The pivot may be under way, or have happened in an earlier run: the decision is the answer.
        // Shielded: after Temporal's own cancel this caller must get an answer, too.
        await CancellationScope.nonCancellable(() =>
          // A parked run may wait for months, so the caller gets its answer now. The run has noted the cancel.
          condition(() => run.phase === 'undoing' || isDecided(run) || run.parked.size > 0),
        );
      }
      if (isDecided(run)) {
        note(run, `${actor.subject} asked for a cancel, but the pivot had happened.`);
        throw ApplicationFailure.nonRetryable('The pivot has happened.', 'PastPivot');
      }
      return { state: run.state };
    },
    {
      validator: ({ actor }: CancelTransaction) => {
        const sorry = `${actor.subject} asked for a cancel, but`;
        if (isEnding(run.state)) throw refuse('AlreadyEnded', `${sorry} it is ${run.state}.`);
        if (isDecided(run)) throw refuse('PastPivot', `${sorry} the pivot has happened.`);
      },
    },
  );

  setHandler(
    resolveTransactionUpdate,
    (decision) => {
      parking.resolve(decision);
      return { state: run.state };
    },
    { validator: (decision: ResolveTransaction) => parking.validate(decision) },
  );

  setHandler(
    reviewTransactionUpdate,
    (decision) => {
      review.decide(decision);
      return { state: run.state };
    },
    { validator: (decision: ReviewDecision) => review.validate(decision) },
  );

  setHandler(
    parkTransactionUpdate,
    ({ step, actor, note: why }) => {
      run.clock.messaged();
      note(run, `${actor.subject} parked ${step}: ${why}`);
      run.steps.get(step)?.interrupt?.();
      return { state: run.state };
    },
    {
      validator: ({ step }: ParkTransaction) => {
        if (!run.steps.get(step)?.interrupt)
          throw refuse('NotStuck', `${step} is not being retried.`);
      },
    },
  );
}

const refuse = (type: 'AlreadyEnded' | 'PastPivot' | 'NotStuck', message: string) =>
  ApplicationFailure.nonRetryable(message, type);
