import type { Client } from '@temporalio/client';
import { Context } from '@temporalio/activity';
import { Counter, type Registry } from 'prom-client';

import type { HubStore } from '../../activities/regions/hub-row';
import { createSwitchRequests } from '../../activities/regions/switch/requests';
import {
  createWatchActivities,
  type WatchDependencies,
} from '../../activities/regions/watch/activities';
import type { WatchEvent } from '../../activities/regions/watch/store';
import type { SqlPool } from '../../activities/fence/sql-transaction';
import { watchIdOf, type WatchActivities, type WatchInput } from '../../contracts/regions/watch';
import { failoverTaskQueue } from '../../contracts/engine/task-queues';
import type { Logger } from '../../runtime/logger';

interface Watching extends Pick<
  WatchDependencies,
  'cluster' | 'regions' | 'watchUrl' | 'acts' | 'now' | 'store' | 'onEvent'
> {
  /** Pool of `accord`. */
  readonly accord: SqlPool;
  readonly hub: HubStore;
  /** Aborted when this process is told to stop: a look of a minute would hold it up. */
  readonly stopping: AbortSignal;
}

/** The activities of a watch, as a failover worker serves them. */
export function createWatching({ accord, stopping, ...parts }: Watching): WatchActivities {
  return createWatchActivities({
    ...parts,
    requests: createSwitchRequests(accord, parts.cluster, parts.now),
    delivery: () => {
      const { workflowExecution, activityId } = Context.current().info;
      return `${workflowExecution?.runId ?? ''} ${activityId}`;
    },
    signal: () => AbortSignal.any([stopping, Context.current().cancellationSignal]),
  });
}

/** Logs and counts the events of a watch. */
export function watchEventsOf(registry: Registry, logger: Logger): (event: WatchEvent) => void {
  const events = new Counter({
    name: 'accord_watch_events_total',
    help: 'What the watch of the regions has told or done; every page wants a person.',
    labelNames: ['kind', 'code'],
    registers: [registry],
  });
  return ({ kind, code, detail }) => {
    // The code of a switch is its gid, which would be a label without end.
    events.inc({ kind, code: kind === 'failover' || kind === 'resync' ? 'accepted' : code });
    logger.error({ kind, code }, detail);
  };
}

/**
 * Sees to it that the cluster is watched, now and again: a watch may be terminated, and ends where there is nothing to
 * watch yet. Safe to repeat, and for several workers: there is one watch.
 */
export async function ensureWatch(client: Client, cluster: string): Promise<void> {
  const input: WatchInput = { cluster };
  await client.workflow.start('regionWatch', {
    workflowId: watchIdOf(cluster),
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE', // It has ended where there was nothing to watch.
    taskQueue: failoverTaskQueue,
    args: [input],
    staticSummary: `Watch of ${cluster}`,
  });
}
