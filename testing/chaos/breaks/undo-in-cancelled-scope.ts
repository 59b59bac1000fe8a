/** Undoes in the scope of the acts, which has been cancelled: no call of it leaves the workflow. */
import type * as sound from '../../../workflows/kernel/undo';
import { inStep } from '../../../workflows/kernel/calls';

export const undoAll: typeof sound.undoAll = async (kernel) => {
  const { run, lane, body } = kernel;
  run.phase = 'undoing';
  run.state = 'undoing';
  kernel.announce();
  for (const step of [...run.steps.values()].reverse()) {
    const { undo } = step;
    if (undo && step.state !== 'refused') {
      await body.run(() => inStep(lane, step, { kind: 'forever' }, undo));
    }
  }
};
