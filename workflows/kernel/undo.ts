import type { Kernel } from './kernel';
import type { Attempt, OwedCall } from './persistence';
import type { StepRecord } from './run';

/**
 * Undoes every step that may have been done, last first. A transient failure is tried for ever and shown as stuck; one
 * from the list parks, with its reason and the amounts at risk. Neither stops the others: an undo that takes longer than
 * the lane waits is joined by the next one, and what parks is decided after the others were tried.
 */
export async function undoAll(kernel: Kernel): Promise<void> {
  const { run, lane, persistence } = kernel;
  run.phase = 'undoing';
  run.state = 'undoing';
  const attempts: Promise<Tried>[] = [];
  for (const step of [...run.steps.values()].filter(isOwed).reverse()) {
    const owed = undoOf(step);
    const progress = { isDone: false };
    const attempt = tryOnce(owed).finally(() => {
      progress.isDone = true;
    });
    attempts.push(attempt);
    if (attempts.length === 1) kernel.announce(); // Once there is a step to name.
    await Promise.race([attempt, lane.patience(() => progress.isDone)]);
  }
  if (attempts.length === 0) kernel.announce();
  const failed = (await Promise.all(attempts)).filter(({ attempt }) => !attempt.ok);
  await Promise.all(failed.map(({ owed, attempt }) => persistence.persist(owed, attempt)));

  async function tryOnce(owed: OwedCall<unknown>): Promise<Tried> {
    return { owed, attempt: brokenBefore(owed.step) ?? (await persistence.attempt(owed)) };
  }
}

interface Tried {
  readonly owed: OwedCall<unknown>;
  readonly attempt: Attempt<unknown>;
}

/** A refused step left nothing behind, and its refusal is recorded: its own undo is not run. */
const isOwed = (step: StepRecord): boolean =>
  (step.undo !== undefined && step.state !== 'refused') || brokenBefore(step) !== undefined;

function undoOf(step: StepRecord): OwedCall<unknown> {
  return {
    step,
    call: step.undo ?? (() => Promise.resolve()), // A pivot has no undo: it is sealed, only a person's look is owed.
    reason: 'undo_failed',
    decisions: ['retry', 'done', 'skip'],
    leaves: 'undone',
  };
}

/** An act that found an invariant broken is not undone before a person has looked. */
function brokenBefore(step: StepRecord): (Attempt<unknown> & { ok: false }) | undefined {
  if (step.failure !== 'InvariantBroken') return undefined;
  return {
    ok: false,
    reason: 'invariant_broken',
    detail: step.detail ?? 'An invariant is broken.',
  };
}
