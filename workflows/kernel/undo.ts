import type { Kernel } from './kernel';
import type { Attempt, OwedCall } from './persistence';
import type { StepRecord } from './run';

/**
 * Undoes every started step, last first. A transient failure is tried for ever and shown as stuck; one from the list
 * parks, with its reason and the amounts at risk, after the others were undone: neither stops them.
 */
export async function undoAll(kernel: Kernel): Promise<void> {
  const { run, persistence } = kernel;
  run.phase = 'undoing';
  run.state = 'undoing';
  kernel.announce();
  const failed: { owed: OwedCall<unknown>; attempt: Attempt<unknown> }[] = [];
  for (const step of [...run.steps.values()].filter(isOwed).reverse()) {
    const owed = undoOf(step);
    const attempt = brokenBefore(step) ?? (await persistence.attempt(owed));
    if (!attempt.ok) failed.push({ owed, attempt });
  }
  await Promise.all(failed.map(({ owed, attempt }) => persistence.persist(owed, attempt)));
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
