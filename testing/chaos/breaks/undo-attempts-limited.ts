/** Gives an undo three seconds, and parks it after them: every longer outage is left to people. */
import { sleep } from '@temporalio/workflow';

import * as sound from '../../../workflows/kernel/retry-until-done';

export { restoredAttempt } from '../../../workflows/kernel/retry-until-done';

const limitMs = 3_000;

export const createRetryUntilDone: typeof sound.createRetryUntilDone = (run, lane, parking) => {
  const retries = sound.createRetryUntilDone(run, lane, parking);
  const attempt: sound.RetryUntilDone['attempt'] = async (owed) => {
    if (owed.leaves !== 'undone') return retries.attempt(owed);
    const attempted = retries.attempt(owed);
    await Promise.race([attempted, sleep(limitMs)]);
    owed.step.interrupt?.(); // Nothing where it is done.
    return attempted;
  };
  return {
    attempt,
    persist: async (owed, last) => retries.persist(owed, last ?? (await attempt(owed))),
  };
};
