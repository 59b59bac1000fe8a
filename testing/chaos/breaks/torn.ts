/** Confirms all participants of a transaction but one. */
import * as sound from '../../../workflows/kernel/execution';

export { registerUndos } from '../../../workflows/kernel/execution';

const forgotten = new Set(['credit', 'order']);

export const createExecution: typeof sound.createExecution = (kernel) => {
  const execution = sound.createExecution(kernel);
  return {
    ...execution,
    tx: {
      ...execution.tx,
      participant: (name, tcc) =>
        execution.tx.participant(
          name,
          forgotten.has(name) ? { ...tcc, confirm: () => Promise.resolve() } : tcc,
        ),
    },
  };
};
