/** Failed local attempts in a row after which a participant gets no more of them for a while. */
const failuresMax = 3;
/** For so long each call goes remote at once. Then one call tries again. */
const pauseMs = 2_000;

/** Which participants answer local attempts. A local attempt holds its workflow task, so it must not wait in vain. */
export interface LocalHealth {
  /** Whether a local attempt is worth its time. After a pause one caller gets `true`, and finds out. */
  mayTry(participant: string): boolean;
  answered(participant: string): void;
  failed(participant: string): void;
}

/** @param now a steady clock, in milliseconds. */
export function createLocalHealth(now: () => number): LocalHealth {
  const failures = new Map<string, number>();
  const pausedUntil = new Map<string, number>();
  return {
    mayTry(participant) {
      const until = pausedUntil.get(participant);
      if (until === undefined) return true;
      if (now() < until) return false;
      pausedUntil.set(participant, now() + pauseMs);
      return true;
    },
    answered(participant) {
      failures.delete(participant);
      pausedUntil.delete(participant);
    },
    failed(participant) {
      const inRow = (failures.get(participant) ?? 0) + 1;
      failures.set(participant, inRow);
      if (inRow >= failuresMax) pausedUntil.set(participant, now() + pauseMs);
    },
  };
}
