/** Undoes in the order of the story: the first step first. */
import * as sound from '../../../workflows/kernel/undo';

export const undoAll: typeof sound.undoAll = async (kernel) => {
  const { steps } = kernel.run;
  const reversed = [...steps].reverse();
  steps.clear();
  for (const [name, step] of reversed) steps.set(name, step);
  await sound.undoAll(kernel);
};
