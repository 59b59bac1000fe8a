import type { ActivityOptions } from '@temporalio/workflow';

/**
 * How long a call is tried. `act`: until the time before the undo budget is used up. `forever`: undo, seal and every
 * step after the decision; an outage must not end them.
 */
export type RetryBudget =
  { readonly kind: 'act'; readonly timeLeftMs: number } | { readonly kind: 'forever' };

/** One short SQL transaction of one participant. */
const attempt = {
  startToCloseTimeout: '10s', // All tries of one attempt (8 s) and the report.
  heartbeatTimeout: '2s', // Beaten each second by the activity interceptor: a killed worker costs 2 s, not 10.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED', // A known answer is worth the wait; the SDK's default drops it.
} as const satisfies ActivityOptions;

/** The options of a participant's activity. */
export function activityOptions(budget: RetryBudget, summary: string): ActivityOptions {
  if (budget.kind === 'act') {
    return {
      ...attempt,
      summary,
      scheduleToCloseTimeout: budget.timeLeftMs,
      retry: { initialInterval: '50ms', maximumInterval: '5s' }, // A deadlock clears in milliseconds, a lost primary in seconds.
    };
  }
  return {
    ...attempt,
    summary,
    retry: { initialInterval: '50ms', maximumInterval: '30s' }, // For as long as it takes; at most 30 s after the outage.
  };
}

/** Taking a lock: waits for its owner, so the calls are short and many. */
export const acquireOptions = (timeLeftMs: number, summary: string): ActivityOptions => ({
  summary,
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: timeLeftMs,
  cancellationType: 'TRY_CANCEL', // It waits on others; an unneeded lease ends by itself.
  retry: { initialInterval: '50ms', maximumInterval: '1s' },
});

/** Keeping and giving back a lock: a lease ends by itself, so nobody waits for these. */
export const leaseOptions = (summary: string): ActivityOptions => ({
  summary,
  startToCloseTimeout: '2s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '50ms', maximumAttempts: 3 }, // No effect on money hangs on it: the fencing token decides.
});

/**
 * A bounded piece of a job: reads and repairs that may be made again. What fails for so long is left to the next round:
 * a job that waits for ever keeps every later one from its start.
 */
export const jobOptions: ActivityOptions = {
  startToCloseTimeout: '30s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '2m',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
};

/** The same of a job that has one round a day: an outage of an hour must not cost the day. */
export const dailyJobOptions: ActivityOptions = { ...jobOptions, scheduleToCloseTimeout: '1h' };

/** Looks for a minute: longer than that nobody hears of a worker that is gone, but for the heartbeat. */
export const observeOptions: ActivityOptions = {
  startToCloseTimeout: '90s', // The last look may wait for a database of the hub.
  heartbeatTimeout: '3s', // Beaten each second by the activity interceptor: nobody watches meanwhile.
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '500ms', maximumInterval: '2s' }, // For ever: a watch that gives up is none.
};

/** What a watch decides and does: of what is seen now. Later something else is seen, and decided again. */
export const watchOptions: ActivityOptions = {
  startToCloseTimeout: '8s',
  heartbeatTimeout: '3s',
  scheduleToCloseTimeout: '20s',
  retry: { initialInterval: '200ms', maximumInterval: '2s' },
};
