import { CancellationScope, isCancellation, TemporalFailure } from '@temporalio/workflow';

import { failureTypeOf, isRefusal, isVerdictFailure } from '../../contracts/failures';
import { stepKeyOf } from '../../contracts/ids';
import { resolutionText } from '../../contracts/resolutions';
import { rowBranch } from '../../contracts/runs';
import type {
  EndingReason,
  TransactionInput,
  TransactionResult,
} from '../../contracts/transaction';
import { inStep } from './calls';
import { endingOf } from './ending';
import type { Kernel } from './kernel';
import type { Run, Unwound } from './run';
import { isDecided, note, reasonOf, stepViewsOf } from './run';
import { sentenceOf } from './step-failure';
import type { Story } from './story';
import { createRecall, createTelling, RecallEnded } from './telling';
import { undoAll } from './undo';

/**
 * Runs a transaction to its ending. The ending is the fenced decision, never a variable of this run: whatever went
 * wrong, undo begins with asking whether the decision has happened, so two coordinators of one gid, or a run that was
 * reset to before its pivot, come to the same ending.
 *
 * @throws a plain error for a bug of the story (the workflow task waits for a mended build); InvariantBroken where
 *   another ending stands already.
 */
export async function coordinate<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
  isContinued = false,
): Promise<TransactionResult> {
  if (isContinued) return CancellationScope.nonCancellable(() => goOn(kernel, story, input));
  const unwound = await tell(kernel, story, input);
  if (!unwound) return complete(kernel);
  return CancellationScope.nonCancellable(() => turn(kernel, story, input, unwound));
}

/** In a new run: what the earlier one has learnt is carried, so nothing is asked or tried again before it is owed. */
async function goOn<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
): Promise<TransactionResult> {
  const { phase, reason, unwound } = kernel.run;
  if (phase === 'undoing' && reason) {
    await recall(kernel, story, input, true);
    return compensate(kernel, story, reason);
  }
  const turned = unwound ?? (await tell(kernel, story, input, true));
  return turned ? turn(kernel, story, input, turned) : complete(kernel);
}

/** Where the story has ended without a decision of its own: forward if there is one all the same, or back. */
async function turn<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
  unwound: Unwound,
): Promise<TransactionResult> {
  kernel.run.unwound = unwound;
  if (isDecided(kernel.run) || (await wasDecided(kernel, unwound))) {
    await tellForward(kernel, story, input);
    return complete(kernel);
  }
  // Also after a change of runs: the records of the steps have come along, their undos have not.
  if (!unwound.isWhollyKnown || lacksUndo(kernel.run)) {
    await recall(kernel, story, input, unwound.isWhollyKnown);
  }
  return compensate(kernel, story, reasonFor(kernel, unwound));
}

const lacksUndo = ({ steps }: Run): boolean =>
  [...steps.values()].some(({ kind, undo }) => kind === 'compensable' && !undo);

/**
 * @param isContinued an earlier run has come as far as its pivot: what it did is answered by the fence.
 * @returns `undefined`: the story came to its end, and the transaction is decided.
 */
async function tell<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
  isContinued = false,
): Promise<Unwound | undefined> {
  const telling = createTelling(kernel, isContinued);
  try {
    await story.tell(telling.tx, input);
    await decideIfOpen(kernel, story, telling.tx);
    await telling.confirm();
    return undefined;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    kernel.body.cancel(); // Steps that run concurrently end before any of them is undone.
    await CancellationScope.nonCancellable(() => telling.close());
    return unwoundBy(error, telling.wasConcurrent());
  }
}

/**
 * A recorded refusal in a sequence of steps stops every life of the transaction at the same step, so this life knows
 * all that was done. After anything else another life may have come further.
 */
function unwoundBy(cause: TemporalFailure, wasConcurrent: boolean): Unwound {
  const type = failureTypeOf(cause) ?? null;
  return {
    type,
    detail: sentenceOf(cause),
    isCancel: isCancellation(cause),
    isWhollyKnown: isRefusal(type ?? undefined) && !wasConcurrent,
  };
}

/** Learns the undos of the steps that this life never came to. */
async function recall<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
  isContinued = false,
): Promise<void> {
  try {
    await story.tell(createRecall(kernel, isContinued), input);
  } catch (error) {
    if (!(error instanceof RecallEnded)) throw error;
  }
}

async function decideIfOpen<Input>(
  { run, participants, decision }: Kernel,
  story: Story<Input>,
  tx: ReturnType<typeof createTelling>['tx'],
): Promise<void> {
  if (isDecided(run)) return;
  if (story.decision) throw new Error(`The story ended without its pivot ${decision.step}.`);
  await tx.pivot(decision.step, (key) => participants.accord.decide({ key }));
}

/** Once more, shielded from cancel and deadline: every step before the pivot is answered by the fence. */
async function tellForward<Input extends TransactionInput>(
  kernel: Kernel,
  story: Story<Input>,
  input: Input,
): Promise<void> {
  const telling = createTelling(kernel);
  await story.tell(telling.tx, input);
  await telling.confirm();
}

/** Asks the fence: has the decision happened? If not, it never will. */
async function wasDecided(kernel: Kernel, { type }: Unwound): Promise<boolean> {
  const { run, decision, participants, persistence } = kernel;
  run.phase = 'deciding';
  // A recorded refusal needs no question: every coordinator meets it, none gets past it.
  if (isRefusal(type ?? undefined) || !decision.seal) return false;
  const { seal } = decision;
  const name = `seal-${decision.step}`;
  const step = run.steps.get(name) ?? kernel.ownStep(name, decision.step);
  run.steps.set(name, step);
  const answer = await persistence.persist({
    step,
    call: () => seal(participants, stepKeyOf(run.input.gid, decision.step)),
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

async function compensate<Input>(
  kernel: Kernel,
  { undoneAs }: Story<Input>,
  caused: EndingReason,
): Promise<TransactionResult> {
  const { run } = kernel;
  run.reason = caused;
  run.early ??= undoneAs ?? null;
  await undoAll(kernel);
  const reason = reasonWithHands(run, caused) ?? caused;
  run.reason = reason;
  await end(kernel, 'compensated');
  return { outcome: 'compensated', reason, steps: stepViewsOf(run), ...byHand(run) };
}

const byHand = ({ resolvedByHand }: Run): Pick<TransactionResult, 'resolvedByHand'> =>
  resolvedByHand.length > 0 ? { resolvedByHand } : {};

/** The cause, if there is one, and who has answered for what no program has done. */
function reasonWithHands(run: Run, caused: EndingReason | null): EndingReason | null {
  const [first] = run.resolvedByHand;
  if (!first) return caused;
  const told = run.resolvedByHand.map(resolutionText).join(' ');
  if (!caused) return reasonOf('ResolvedByHand', first.step, told);
  return { ...caused, detail: `${caused.detail.replace(/[.\s]*$/, '')}. ${told}` };
}

/** The ending is written last, after every participant has answered. */
async function end(kernel: Kernel, outcome: 'completed' | 'compensated'): Promise<void> {
  const { run, lane, participants } = kernel;
  await CancellationScope.nonCancellable(async () => {
    await Promise.all([kernel.announced(), kernel.locks?.release()]);
    const step = kernel.ownStep('ending', rowBranch);
    const at = Math.max(run.movedAt + 1, run.now());
    run.state = outcome;
    await inStep(lane, step, { kind: 'forever' }, () =>
      participants.accord.endRun({
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

/** The reason that the caller reads. A refusal comes first: it stands whatever else was asked meanwhile. */
function reasonFor({ run }: Kernel, { type, detail, isCancel }: Unwound): EndingReason {
  const step = [...run.steps.values()].find(({ failure }) => failure !== null)?.name ?? null;
  if (type && isRefusal(type)) return reasonOf(type, step, detail);
  if (run.cancelAsked !== null) return reasonOf('Cancelled', step, `Asked by ${run.cancelAsked}.`);
  if (run.expired) return reasonOf('DeadlineExceeded', step, 'The time for acting was over.');
  if (type && (isVerdictFailure(type) || type === 'ReviewExpired')) {
    return reasonOf(type, step, detail);
  }
  if (isCancel) return reasonOf('Cancelled', step, 'Cancelled in Temporal.');
  return reasonOf('StepExhausted', step, `${step ?? 'A step'} had no usable answer in its time.`);
}
