/** Lets the clock of this process be so far off. @returns what puts it right again. */
export function shiftClock(ms: number): () => void {
  const right = Date;
  class Shifted extends right {
    constructor(...given: readonly [] | readonly [string | number | Date]) {
      super(given[0] ?? Shifted.now());
    }
    static override now(): number {
      return right.now() + ms;
    }
  }
  globalThis.Date = Shifted as DateConstructor; // Nobody calls it without `new`, or by parts of a date.
  return () => void (globalThis.Date = right);
}

/** Runs `work` on a machine whose clock is so far off. */
export async function withClockOff<Result>(
  ms: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const putRight = shiftClock(ms);
  try {
    return await work();
  } finally {
    putRight();
  }
}

/** The time whatever is done to the clock, in milliseconds since 1970. */
export const rightTime = (): number => performance.timeOrigin + performance.now();
