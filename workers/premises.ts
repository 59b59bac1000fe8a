import { setTimeout as delay } from 'node:timers/promises';

import type { Logger } from '../runtime/logger';
import { PremisesBroken, type Premises } from '../runtime/premises';
import { repeat, type Repetition } from '../runtime/repeat';

/** A setting that is changed under us is seen within this time. */
const lookEveryMs = 30_000;

/**
 * Asks the servers again for as long as the process runs. One that does not answer breaks no premise: it is an outage.
 *
 * @param onBroken told when a required premise has broken: the process must end.
 */
export function keepPremises(
  premises: Premises,
  onBroken: (broken: PremisesBroken) => void,
): Repetition {
  let isFirst = true;
  return repeat(
    async () => {
      if (!isFirst) await premises.check();
      isFirst = false;
      return lookEveryMs;
    },
    {
      onFailure: (error) => {
        if (error instanceof PremisesBroken) onBroken(error);
      },
      onRecovery: () => undefined,
    },
  );
}

/** For so long a process waits with its own start for servers that do not answer; it begins to work when they do. */
const startWithinMs = 5_000;

/**
 * Begins to work once the servers hold what is required of them, and asks again for as long as the process runs: one
 * that breaks it ends the process. Servers that are away keep it from working, not from starting.
 *
 * @throws PremisesBroken where a server that answers at once is refused.
 */
export async function startOnPremises(
  premises: Premises,
  logger: Logger,
  begin: () => void,
): Promise<Repetition> {
  const stopping = new AbortController();
  let watch: Repetition | undefined;
  const end = (error: unknown): never => {
    logger.error({ err: error }, 'Stopped.');
    process.exit(1);
  };
  const demanded = premises.demand(stopping.signal).then(() => {
    if (stopping.signal.aborted) return;
    begin();
    watch = keepPremises(premises, end);
  });
  await Promise.race([demanded, delay(startWithinMs, undefined, { ref: false })]);
  demanded.catch(end);
  return {
    async stop() {
      stopping.abort();
      await watch?.stop();
    },
  };
}
