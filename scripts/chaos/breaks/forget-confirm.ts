/** Ends a transaction as completed without confirming what its participants have set aside. */
import * as sound from '../../../workflows/kernel/telling';

export { registerUndos } from '../../../workflows/kernel/telling';

export const createTelling: typeof sound.createTelling = (kernel) => ({
  ...sound.createTelling(kernel),
  confirm: () => Promise.resolve(),
});
