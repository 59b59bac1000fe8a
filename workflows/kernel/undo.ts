import type { StepState } from '../../contracts/engine/transaction';
import type { Kernel } from './kernel';
import type { Attempt, OwedCall } from './retry-until-done';
import { restoredAttempt } from './retry-until-done';
import type { Run, StepRecord } from './run';

/**
 * Undoes every step that may have acted, last first. A transient failure is retried for ever and shown as stuck. A
 * refusal or failure in a verdict parks, with its reason and the amounts at risk. Neither stops the other undos: the
 * next undo begins beside a slow one, and a parked step waits for its decision after the others were tried.
 */
export async function undoAll(kernel: Kernel): Promise<void> {
  const { run, lane, retryUntilDone } = kernel;
  run.phase = 'undoing';
  run.state = 'undoing';
  const owed = [...run.steps.values()].filter(isOwed).reverse();
  const isContinued = owed.some(({ name }) => run.restored.has(name));
  const parkedBefore = waitingIn(run, owed);
  const waiting = parkedBefore.map(persistFrom);
  const rest = stepsBeside(owed, parkedBefore);
  // Read before the first undo: a step whose undo breaks an invariant parks by its own answer.
  const broken = brokenOf(rest);
  const tried: Promise<Tried>[] = [];
  for (const step of stepsBeside(rest, broken)) {
    const progress = { isDone: false };
    const attempt = tryOnce(step).finally(() => (progress.isDone = true));
    tried.push(attempt);
    if (tried.length === 1 && !isContinued) kernel.announce(); // From now on the row can name a step.
    await Promise.race([attempt, lane.pauseForUndo(() => progress.isDone)]);
  }
  if (tried.length === 0 && !isContinued) kernel.announce();
  const answers = [...broken, ...(await Promise.all(tried))];
  const failed = answers.filter(({ attempt }) => !attempt.ok);
  await Promise.all([...waiting, ...failed.map(persistFrom)]);

  function persistFrom({ owed: call, attempt }: Tried): Promise<unknown> {
    return retryUntilDone.persist(call, attempt);
  }

  async function tryOnce(step: StepRecord): Promise<Tried> {
    const call = undoOf(step);
    return { owed: call, attempt: await retryUntilDone.attempt(call) };
  }
}

interface Tried {
  readonly owed: OwedCall<unknown>;
  readonly attempt: Attempt<unknown>;
}

/** Whether a step needs an undo. A refused step left nothing behind, and its refusal is recorded. */
const isOwed = (step: StepRecord): boolean =>
  brokenBefore(step) !== undefined
    ? !resolved.includes(step.state)
    : step.undo !== undefined && step.state !== 'refused' && !resolved.includes(step.state);

/** States in which an earlier run may have left a step that needs no undo any more. */
const resolved: readonly StepState[] = ['undone', 'doneByHand', 'skipped'];

function undoOf(step: StepRecord): OwedCall<unknown> {
  return {
    step,
    // A pivot has no undo. It is sealed, and needs only a person's decision.
    call: step.undo ?? (() => Promise.resolve()),
    reason: 'undo_failed',
    decisions: ['retry', 'done', 'skip'],
    leaves: 'undone',
  };
}

/** Steps that an earlier run has parked. They keep waiting beside the others, and are not tried. */
const waitingIn = (run: Run, steps: readonly StepRecord[]): readonly Tried[] =>
  steps.flatMap((step) => {
    const attempt = restoredAttempt(run, step);
    return attempt ? [{ owed: undoOf(step), attempt }] : [];
  });

const stepsBeside = (steps: readonly StepRecord[], others: readonly Tried[]) =>
  steps.filter((step) => others.every(({ owed }) => owed.step !== step));

const brokenOf = (steps: readonly StepRecord[]): readonly Tried[] =>
  steps.flatMap((step) => {
    const attempt = brokenBefore(step);
    return attempt ? [{ owed: undoOf(step), attempt }] : [];
  });

/** An act that found a broken invariant is not undone before a person has decided. */
function brokenBefore(step: StepRecord): (Attempt<unknown> & { ok: false }) | undefined {
  if (step.failure !== 'InvariantBroken') return undefined;
  return {
    ok: false,
    reason: 'invariant_broken',
    failed: {
      type: step.failure,
      detail: step.detail ?? 'An invariant is broken.',
      text: step.text,
    },
  };
}
