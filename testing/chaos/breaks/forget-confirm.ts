/** Ends a transaction as completed without confirming what its participants have set aside. */
import * as sound from '../../../workflows/kernel/execution';

export { registerUndos } from '../../../workflows/kernel/execution';

export const createTelling: typeof sound.createTelling = (kernel) => ({
  ...sound.createTelling(kernel),
  confirm: () => Promise.resolve(),
});
