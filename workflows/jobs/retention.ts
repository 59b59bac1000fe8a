import { continueAsNew, proxyActivities, workflowInfo } from '@temporalio/workflow';

import type {
  FenceCursor,
  RetentionActivities,
  RetentionReport,
} from '../../contracts/engine/retention';
import { jobOptions } from '../kernel/activity-options';
import { unlessFailed } from './jobs';

/** Progress of a round of the job. */
export interface RetentionProgress {
  readonly done: RetentionReport;
  /** All participants of the round. */
  readonly participants: readonly string[];
  /** Index of the present participant. */
  readonly at: number;
  readonly after: FenceCursor | null;
}

const nothingDone: RetentionReport = {
  ...{ stamped: 0, leaked: 0, deleted: 0, expiredKeys: 0 },
  isComplete: true,
};

/**
 * A job, no transaction. It gives fence rows of ended transactions an expiry, deletes expired ones, and deletes old
 * idempotency keys. It may run at any time, and twice. A long round continues in a new workflow run.
 */
export async function retention(from?: RetentionProgress): Promise<RetentionReport> {
  const activities = retentionActivities();
  const participants = from?.participants ?? (await activities.participants());
  let { stamped, leaked, deleted, expiredKeys, isComplete } = from?.done ?? nothingDone;
  let after = from?.after ?? null;
  for (const [at, participant] of participants.entries()) {
    if (at < (from?.at ?? 0)) continue;
    do {
      const behind: FenceCursor | null = after;
      const page = await unlessFailed(() => activities.stampFence({ participant, after: behind }));
      if (!page) isComplete = false;
      stamped += page?.stamped ?? 0;
      leaked += page?.leaked ?? 0;
      after = page?.next ?? null;
      // Only between two pages: after the last page the deletions follow.
      if (after && workflowInfo().continueAsNewSuggested) {
        const done = { stamped, leaked, deleted, expiredKeys, isComplete };
        await continueAsNew<typeof retention>({ done, participants, at, after });
      }
    } while (after);
    let expired;
    do {
      expired = await unlessFailed(() => activities.deleteExpired({ participant }));
      if (!expired) isComplete = false;
      deleted += expired?.deleted ?? 0;
    } while (expired?.more);
  }
  let keys;
  do {
    keys = await unlessFailed(() => activities.expireKeys());
    if (!keys) isComplete = false;
    expiredKeys += keys?.expired ?? 0;
  } while (keys?.more);
  return { stamped, leaked, deleted, expiredKeys, isComplete };
}

/** Registered as `retention.<activity>`. */
function retentionActivities(): RetentionActivities {
  const calls = proxyActivities<{
    'retention.participants': RetentionActivities['participants'];
    'retention.stampFence': RetentionActivities['stampFence'];
    'retention.deleteExpired': RetentionActivities['deleteExpired'];
    'retention.expireKeys': RetentionActivities['expireKeys'];
  }>({
    ...jobOptions,
    summary: 'retention',
  });
  return {
    participants: calls['retention.participants'],
    stampFence: calls['retention.stampFence'],
    deleteExpired: calls['retention.deleteExpired'],
    expireKeys: calls['retention.expireKeys'],
  };
}
