/** Ends a transaction as completed without confirming what its participants have set aside. */
import * as sound from '../../../workflows/kernel/execution';

export { registerUndos } from '../../../workflows/kernel/execution';

export const createExecution: typeof sound.createExecution = (kernel) => ({
  ...sound.createExecution(kernel),
  confirm: () => Promise.resolve(),
});
