import type { Premises } from '../runtime/premises';
import { PremisesBroken } from '../runtime/premises';

/** A setting that is changed under us is seen within this time. */
const lookEveryMs = 10_000;

/** The premises of this API's servers, looked at in the background: a probe gets the last answer at once. */
export function createPremiseWatch(premises: Premises) {
  let broken: PremisesBroken | undefined;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    try {
      await premises.check();
      broken = undefined;
    } catch (error) {
      if (!(error instanceof PremisesBroken)) throw error;
      broken = error;
    }
  }

  function lookLater(): void {
    timer = setTimeout(() => {
      looking = look().finally(lookLater);
    }, lookEveryMs);
  }

  return {
    /** Looks once, and then again and again. @throws PremisesBroken: this process must not serve. */
    async begin(): Promise<void> {
      await look();
      if (broken) throw broken;
      lookLater();
    },
    /** Rejects with PremisesBroken as of the last look. */
    demand: (): Promise<void> => (broken ? Promise.reject(broken) : Promise.resolve()),
    async stop(): Promise<void> {
      await looking;
      clearTimeout(timer);
    },
  };
}
export type PremiseWatch = ReturnType<typeof createPremiseWatch>;
