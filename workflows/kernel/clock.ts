import { CancellationScope, condition, sleep, workflowInfo } from '@temporalio/workflow';

/**
 * The time of a transaction, and whether its history is long. `Date.now()` is not asked behind a call: live, the next
 * workflow task may have begun by then, and in replay it has not. So time goes on by what the history holds.
 */
export interface Clock {
  /** Milliseconds since 1970, never earlier than before. */
  now(): number;
  /** Temporal suggests to continue in a new run. */
  isLong(): boolean;
  /** A call was answered, at the time that its verdict bears. */
  answered(at: number | undefined): void;
  /** A timer for this time has fired. */
  reached(at: number): void;
  /** A message has come. */
  messaged(): void;
}

/** To be created with the first event of the workflow. */
export function createClock(): Clock {
  let time = Date.now();
  let isLong = workflowInfo().continueAsNewSuggested;
  const advance = (to: number): void => {
    time = Math.max(time, to);
  };
  const look = (): void => {
    isLong = workflowInfo().continueAsNewSuggested;
  };
  return {
    now: () => time,
    isLong: () => isLong,
    answered: (at) => advance(at ?? time),
    reached(at) {
      advance(at);
      look();
    },
    messaged() {
      advance(Date.now());
      look();
    },
  };
}

/**
 * Waits until this is so, for at most `ms`. The timer is never cancelled: a timer that is cancelled in the task that
 * starts it leaves no event, and where a query has cut that task in two, live and replay differ about it.
 *
 * @returns whether it is so.
 */
export async function waitFor(
  clock: Clock,
  isSo: () => boolean,
  { ms, summary }: { readonly ms: number; readonly summary: string },
): Promise<boolean> {
  const until = clock.now() + ms;
  const tooLate = CancellationScope.nonCancellable(() => sleep(ms, { summary })).then(() => {
    clock.reached(until);
    return false;
  });
  return Promise.race([condition(isSo).then(() => true), tooLate]);
}
