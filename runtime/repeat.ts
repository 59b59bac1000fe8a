import { setTimeout as delay } from 'node:timers/promises';

import { backoffMs } from './backoff';

/** A step that is repeated until it is stopped, or returns that it was the last one. */
export interface Repetition {
  /** Resolves when the step under way has ended; none follows it. */
  stop(): Promise<void>;
}

const failurePauseMs = { first: 100, max: 5_000 } as const;

/**
 * Repeats a step, one at a time, also after errors: a long-running process must survive every outage of its servers.
 *
 * @param step answers with the pause before the next one, in milliseconds, or `null`: it was the last one.
 * @param maxPauseMs between failures that follow each other.
 */
export function repeat(
  step: () => Promise<number | null>,
  observer: {
    readonly onFailure: (error: unknown, failures: number) => void;
    readonly onRecovery: (failures: number) => void;
  },
  maxPauseMs: number = failurePauseMs.max,
): Repetition {
  const stopping = new AbortController();
  const ended = repeatUntil(stopping.signal, step, observer, maxPauseMs);
  return {
    stop() {
      stopping.abort();
      return ended;
    },
  };
}

async function repeatUntil(
  signal: AbortSignal,
  step: () => Promise<number | null>,
  { onFailure, onRecovery }: Parameters<typeof repeat>[1],
  maxPauseMs: number,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    let pauseMs: number | null;
    try {
      pauseMs = await step();
      if (failures > 0) onRecovery(failures);
      failures = 0;
    } catch (error) {
      failures += 1;
      onFailure(error, failures);
      pauseMs = backoffMs(failures, { first: failurePauseMs.first, max: maxPauseMs });
    }
    if (pauseMs === null) return;
    await delay(pauseMs, undefined, { signal }).catch(() => undefined); // Stopped: the loop sees it.
  }
}
