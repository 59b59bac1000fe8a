import { CancellationScope, isCancellation, TemporalFailure } from '@temporalio/workflow';

import { isProtocolFailure } from '../../contracts/engine/failures';
import { stepKeyOf } from '../../contracts/engine/ids';
import { resolutionText } from '../../contracts/engine/resolutions';
import { accord, rowBranch } from '../../contracts/engine/runs';
import type { EndingReason, TransactionResult } from '../../contracts/engine/transaction';
import { inStep } from './calls';
import { endingOf } from './ending';
import type { Kernel } from './kernel';
import type { Run, Unwound } from './run';
import { isDecided, isWithoutUndo, note, reasonOf, stepViewsOf } from './run';
import { knownFailureOf, refusalOf, refusedBranchOf, sentenceOf } from './step-failure';
import type { ExecutableFlow } from './executable-flow';
import { createExecution, registerUndos, type Reach } from './execution';
import { undoAll } from './undo';

/**
 * Runs a transaction to its ending. The fenced decision determines the ending, never a variable of this run. After any
 * failure, undo begins with the seal of the decision. So two coordinators of one gid come to the same ending, and so
 * does a run that was reset to before its pivot.
 *
 * @throws a plain error for a bug of the flow (the workflow task waits for a repaired build); InvariantBroken if the
 *   other ending is written already.
 */
export async function coordinate(
  kernel: Kernel,
  flow: ExecutableFlow,
  isContinued = false,
): Promise<TransactionResult> {
  if (isContinued) return CancellationScope.nonCancellable(() => goOn(kernel, flow));
  const unwound = await execute(kernel, flow);
  if (!unwound) return complete(kernel);
  return CancellationScope.nonCancellable(() => turn(kernel, flow, unwound));
}

/** Continues in a new workflow run, with the knowledge of the earlier one. So no finished call is repeated. */
async function goOn(kernel: Kernel, flow: ExecutableFlow): Promise<TransactionResult> {
  const { phase, reason, unwound } = kernel.run;
  if (phase === 'undoing' && reason) {
    registerUndos(kernel, flow, true);
    return compensate(kernel, flow, reason);
  }
  const turned = unwound ?? (await execute(kernel, flow, true));
  return turned ? turn(kernel, flow, turned) : complete(kernel);
}

/** After the flow ended without its decision: goes forward if the seal finds a decision, and back otherwise. */
async function turn(
  kernel: Kernel,
  flow: ExecutableFlow,
  unwound: Unwound,
): Promise<TransactionResult> {
  // The outcome of an act is not known, or the transaction is cancelled or too late: all of this may take time. The next
  // run comes to the same place by the answers of the fence.
  if (kernel.lane.leave && !unwound.isFinal) return kernel.lane.leave();
  kernel.run.unwound = unwound;
  if (isDecided(kernel.run) || (await wasDecided(kernel, unwound))) {
    await executeForward(kernel, flow);
    return complete(kernel);
  }
  // Also in a new workflow run: it has the records of the steps, but not their undos.
  const isWhollyKnown = unwound.isWhollyKnown && flow.retired.length === 0;
  if (!isWhollyKnown || lacksUndo(kernel.run)) registerUndos(kernel, flow, isWhollyKnown);
  return compensate(kernel, flow, reasonFor(kernel, unwound));
}

const lacksUndo = ({ steps }: Run): boolean => [...steps.values()].some(isWithoutUndo);

/**
 * @param isContinued an earlier run has reached its pivot. The fence answers its calls with their first answers.
 * @returns `undefined`: the flow reached its end, and the transaction is decided.
 */
async function execute(
  kernel: Kernel,
  flow: ExecutableFlow,
  isContinued = false,
): Promise<Unwound | undefined> {
  const execution = createExecution(kernel, isContinued);
  try {
    await flow.run(execution.tx);
    execution.demandUnbroken();
    await decideIfOpen(kernel, flow, execution.tx);
    await execution.confirm(flow.retired);
    return undefined;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    kernel.body.cancel(); // Concurrent steps must end before any of them is undone.
    await CancellationScope.nonCancellable(() => execution.close());
    return unwoundBy(error, execution.reach());
  }
}

/**
 * A recorded refusal in a sequence of steps stops every run of the transaction at the same step. So this run knows all
 * effects. After any other failure another run may have gone further.
 */
function unwoundBy(cause: TemporalFailure, { wasConcurrent, isLasting }: Reach): Unwound {
  const refusedAt = refusedBranchOf(cause) ?? null;
  const isFinal = refusedAt !== null && isLasting;
  return {
    type: knownFailureOf(cause) ?? null,
    refusedAt,
    detail: sentenceOf(cause),
    isCancel: isCancellation(cause),
    isWhollyKnown: isFinal && !wasConcurrent,
    isFinal,
  };
}

async function decideIfOpen(
  { run, call, decision }: Kernel,
  flow: ExecutableFlow,
  tx: ReturnType<typeof createExecution>['tx'],
): Promise<void> {
  if (isDecided(run)) return;
  if (flow.decision) throw new Error(`The flow ended without its pivot ${decision.step}.`);
  await tx.pivot(decision.step, (key) => call(accord.decide, { key }));
}

/** Executes the flow again, shielded from cancel and deadline. The fence answers every step before the pivot. */
async function executeForward(kernel: Kernel, flow: ExecutableFlow): Promise<void> {
  const execution = createExecution(kernel);
  await flow.run(execution.tx).catch((error: unknown) => {
    // Every run gets the same recorded refusals, so the run that decided has caught it too: a bug of the flow.
    if (refusalOf(error) !== undefined) throw new Error(sentenceOf(error));
    throw error;
  });
  await execution.confirm(flow.retired);
}

/** Finds out by the seal whether the decision has happened. If not, it never will. */
async function wasDecided(kernel: Kernel, { isFinal }: Unwound): Promise<boolean> {
  const { run, decision, call, retryUntilDone } = kernel;
  run.phase = 'deciding';
  // After a recorded refusal no seal is needed: no coordinator gets past it.
  if (isFinal || !decision.seal) return false;
  const { seal } = decision;
  const name = `seal-${decision.step}`;
  const step = run.steps.get(name) ?? kernel.ownStep(name, decision.step);
  run.steps.set(name, step);
  const answer = await retryUntilDone.persist({
    step,
    call: () => seal(call, stepKeyOf(run.input.gid, decision.step)),
    reason: 'pivot_unknown',
    decisions: ['retry'],
    leaves: 'done',
  });
  if (!answer?.happened) return false;
  note(run, `${decision.step} had taken effect: the transaction goes forward.`);
  kernel.decided();
  return true;
}

async function complete(kernel: Kernel): Promise<TransactionResult> {
  const { run } = kernel;
  run.reason = reasonWithHands(run, null);
  await end(kernel, 'completed');
  return { outcome: 'completed', steps: stepViewsOf(run), ...byHand(run) };
}

async function compensate(
  kernel: Kernel,
  { statusWhenCompensated }: ExecutableFlow,
  caused: EndingReason,
): Promise<TransactionResult> {
  const { run } = kernel;
  run.reason = caused;
  run.early ??= statusWhenCompensated ?? null;
  await undoAll(kernel);
  const reason = reasonWithHands(run, caused) ?? caused;
  run.reason = reason;
  await end(kernel, 'compensated');
  return { outcome: 'compensated', reason, steps: stepViewsOf(run), ...byHand(run) };
}

const byHand = ({ resolvedByHand }: Run): Pick<TransactionResult, 'resolvedByHand'> =>
  resolvedByHand.length > 0 ? { resolvedByHand } : {};

/** The cause, with the resolutions by hand in its detail. Without a cause, the resolutions are the reason. */
function reasonWithHands(run: Run, caused: EndingReason | null): EndingReason | null {
  const [first] = run.resolvedByHand;
  if (!first) return caused;
  const told = run.resolvedByHand.map(resolutionText).join(' ');
  if (!caused) return reasonOf('ResolvedByHand', first.step, told);
  return { ...caused, detail: `${caused.detail.replace(/[.\s]*$/, '')}. ${told}` };
}

/** Writes the ending. It is the last call, after every participant has answered. */
async function end(kernel: Kernel, outcome: 'completed' | 'compensated'): Promise<void> {
  const { run, lane, call } = kernel;
  await CancellationScope.nonCancellable(async () => {
    await Promise.all([kernel.announced(), kernel.locks?.release()]);
    const step = kernel.ownStep('ending', rowBranch);
    const at = Math.max(run.movedAt + 1, run.clock.now());
    run.state = outcome;
    await inStep(lane, step, { kind: 'forever' }, () =>
      call(accord.endRun, {
        key: step.key,
        outcome,
        reason: run.reason,
        at,
        ending: endingOf(run, at),
        ...(run.early !== null && { early: run.early }),
        ...byHand(run),
      }),
    );
    lane.show(run);
  });
}

/** The reason for the caller. A refusal comes first, also if a cancel or the deadline came meanwhile. */
function reasonFor({ run }: Kernel, { type, refusedAt, detail, isCancel }: Unwound): EndingReason {
  if (type && refusedAt !== null) return reasonOf(type, refusedAt, detail);
  const step = failedStepOf(run);
  if (run.cancelAsked !== null) return reasonOf('Cancelled', step, `Asked by ${run.cancelAsked}.`);
  if (run.expired) return reasonOf('DeadlineExceeded', step, 'The time for acting was over.');
  if (isProtocolFailure(type) || type === 'ReviewExpired') {
    return reasonOf(type, step, detail);
  }
  if (isCancel) return reasonOf('Cancelled', step, 'Cancelled in Temporal.');
  return reasonOf('StepExhausted', step, `${step ?? 'A step'} had no usable answer in its time.`);
}

/** The step that has failed. A refused step is none: the flow has caught its refusal and continued. */
const failedStepOf = ({ steps }: Run): string | null =>
  [...steps.values()].find(({ failure, state }) => failure !== null && state !== 'refused')?.name ??
  null;
