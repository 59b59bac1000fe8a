/** Confirms all participants of a transaction but one. */
import * as sound from '../../../workflows/kernel/execution';

export { registerUndos } from '../../../workflows/kernel/execution';

const forgotten = new Set(['credit', 'order']);

export const createTelling: typeof sound.createTelling = (kernel) => {
  const telling = sound.createTelling(kernel);
  return {
    ...telling,
    tx: {
      ...telling.tx,
      participant: (name, tcc) =>
        telling.tx.participant(
          name,
          forgotten.has(name) ? { ...tcc, confirm: () => Promise.resolve() } : tcc,
        ),
    },
  };
};
