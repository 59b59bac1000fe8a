import type { Clock } from '../../workflows/kernel/clock';

const nothing = (): void => undefined;

/** A clock that stands at this time. */
export const standingClock = (at: number): Clock => ({
  now: () => at,
  isLong: () => false,
  answered: nothing,
  reached: nothing,
  messaged: nothing,
});

/** A clock for runs that are never replayed. */
export const runningClock: Clock = {
  now: Date.now,
  isLong: () => false,
  answered: nothing,
  reached: nothing,
  messaged: nothing,
};
