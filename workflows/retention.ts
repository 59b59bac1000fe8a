import { continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';

import { fencedParticipants } from '../contracts/retention';
import type { FenceCursor, RetentionActivities, RetentionReport } from '../contracts/retention';
import { jobOptions } from './activity-options';

/** Where a round of the job stands. */
export interface RetentionProgress {
  readonly done: RetentionReport;
  /** Index of the participant whose fence is being looked at. */
  readonly at: number;
  readonly after: FenceCursor | null;
}

const start: RetentionProgress = {
  done: { stamped: 0, leaked: 0, deleted: 0, expiredKeys: 0 },
  at: 0,
  after: null,
};

/**
 * A job, no transaction: gives fence rows of ended transactions an end, deletes those whose end has come, and forgets
 * old idempotency keys. May be run at any time, and twice; a long round goes on in a new run.
 */
export async function retention(from: RetentionProgress = start): Promise<RetentionReport> {
  const activities = retentionActivities();
  let { stamped, leaked, deleted, expiredKeys } = from.done;
  let after = from.after;
  for (let at = from.at; at < fencedParticipants.length; at += 1) {
    const participant = fencedParticipants[at] ?? 'accord';
    do {
      const page = await activities.stampFence({ participant, after });
      stamped += page.stamped;
      leaked += page.leaked;
      after = page.next;
      // Between two pages only: behind the last one the deletions are still to come.
      if (after && workflowInfo().continueAsNewSuggested) {
        const done = { stamped, leaked, deleted, expiredKeys };
        await continueAsNew<typeof retention>({ done, at, after });
      }
    } while (after);
    let expired;
    do {
      expired = await activities.deleteExpired({ participant });
      deleted += expired.deleted;
    } while (expired.more);
  }
  let keys;
  do {
    keys = await activities.expireKeys();
    expiredKeys += keys.expired;
  } while (keys.more);
  return { stamped, leaked, deleted, expiredKeys };
}

/** Registered as `retention.<activity>`. */
function retentionActivities(): RetentionActivities {
  const calls = proxyActivities<{
    'retention.stampFence': RetentionActivities['stampFence'];
    'retention.deleteExpired': RetentionActivities['deleteExpired'];
    'retention.expireKeys': RetentionActivities['expireKeys'];
  }>(jobOptions);
  return {
    stampFence: calls['retention.stampFence'],
    deleteExpired: calls['retention.deleteExpired'],
    expireKeys: calls['retention.expireKeys'],
  };
}
