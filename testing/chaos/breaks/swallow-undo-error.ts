/** Gives an undo up that has failed, and ends the transaction as if it had not. */
import * as sound from '../../../workflows/kernel/undo';

export const undoAll: typeof sound.undoAll = (kernel) =>
  sound.undoAll({
    ...kernel,
    retryUntilDone: { ...kernel.retryUntilDone, persist: () => Promise.resolve(undefined) },
  });
