import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/**
 * How long a call is tried. `act`: until the time for acting is over. `forever`: undo, seal and every step after the
 * decision; an outage must not end them.
 */
export type RetryBudget =
  { readonly kind: 'act'; readonly timeLeftMs: number } | { readonly kind: 'forever' };

/** One short SQL transaction of one participant. */
const attempt = {
  startToCloseTimeout: '10s', // All tries of one attempt (8 s) and the report.
  heartbeatTimeout: '2s', // The activity interceptor sends a heartbeat each second: a killed worker costs 2 s, not 10.
  cancellationType: 'WAIT_CANCELLATION_COMPLETED', // The kernel waits for the answer; the SDK's default would drop it.
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
    // For ever; the call succeeds at most 30 s after the outage.
    retry: { initialInterval: '50ms', maximumInterval: '30s' },
  };
}

/** How long a local attempt may take. Within it the workflow task is held, and no message is answered. */
const localAttemptMs = 1_500;

/**
 * The options of a participant's activity as a local one. It is tried once: whatever hangs, waits or is retried goes on
 * as a remote activity, which the Temporal UI shows.
 */
export const localOptions = (budget: RetryBudget, summary: string): LocalActivityOptions => ({
  summary,
  startToCloseTimeout:
    budget.kind === 'act' ? Math.min(localAttemptMs, budget.timeLeftMs) : localAttemptMs,
  cancellationType: 'WAIT_CANCELLATION_COMPLETED',
  retry: { maximumAttempts: 1 },
});

/** Options to take a lock. The call waits for the owner of the lock, so calls are short and many. */
export const acquireOptions = (timeLeftMs: number, summary: string): ActivityOptions => ({
  summary,
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: timeLeftMs,
  cancellationType: 'TRY_CANCEL', // The call waits for another transaction; an unneeded lease ends by itself.
  retry: { initialInterval: '50ms', maximumInterval: '1s' },
});

/** Options to renew or give back a lock. A lease ends by itself, so these calls may fail. */
export const leaseOptions = (summary: string): ActivityOptions => ({
  summary,
  startToCloseTimeout: '2s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '50ms', maximumAttempts: 3 }, // Money does not depend on it: the fencing token decides.
});

/**
 * Options of a bounded part of a job: reads and repairs that may be repeated. After this time the next round does the
 * work: a job that waits for ever would block every later one.
 */
export const jobOptions: ActivityOptions = {
  startToCloseTimeout: '30s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '2m',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
};

/** The same for a job with one round a day: an outage of less than an hour must not cost the day. */
export const dailyJobOptions: ActivityOptions = { ...jobOptions, scheduleToCloseTimeout: '1h' };

/** Options of `observe`, which runs for a minute. The heartbeat reports a dead worker sooner. */
export const observeOptions: ActivityOptions = {
  startToCloseTimeout: '90s', // The last observation may wait for a database of the hub.
  // The activity interceptor sends a heartbeat each second: without a worker the cluster is not watched.
  heartbeatTimeout: '3s',
  cancellationType: 'TRY_CANCEL',
  retry: { initialInterval: '500ms', maximumInterval: '2s' }, // For ever: a watch must not give up.
};

/** Options of the decisions and actions of a watch. They use the observations of now; later ones are decided anew. */
export const watchOptions: ActivityOptions = {
  startToCloseTimeout: '8s',
  heartbeatTimeout: '3s',
  scheduleToCloseTimeout: '20s',
  retry: { initialInterval: '200ms', maximumInterval: '2s' },
};
