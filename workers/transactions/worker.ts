import type { NativeConnection } from '@temporalio/worker';
import { Worker } from '@temporalio/worker';

import { transactionsTaskQueue } from '../../contracts/engine/task-queues';
import { localActivitiesMax, remoteActivitiesMax } from '../dependencies';
import type { ActivityInterceptorDependencies } from './activity-interceptor';
import { createActivityInterceptor } from './activity-interceptor';
import { withoutStackTraces } from './workflow-threads';

/**
 * The workflow code: a bundle that was built, its file or its text, or the module that exports every workflow, which is
 * bundled at the start.
 */
export type Workflows =
  { readonly bundlePath: string } | { readonly bundle: string } | { readonly path: string };

export interface TransactionWorkerOptions extends ActivityInterceptorDependencies {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly workflows: Workflows;
  readonly activities: object;
  readonly taskQueue?: string;
  /** Whether the query `__stack_trace` shows where a workflow waits. Left out: it does not. */
  readonly stackTraces?: boolean;
}

export const createTransactionWorker = (options: TransactionWorkerOptions): Promise<Worker> =>
  options.stackTraces ? createWorker(options) : withoutStackTraces(() => createWorker(options));

/** The worker of all flows. Each number has its reason beside it. */
function createWorker(options: TransactionWorkerOptions): Promise<Worker> {
  const inbound = createActivityInterceptor(options); // Once: what it learns of participants is for all attempts.
  return Worker.create({
    connection: options.connection,
    namespace: options.namespace,
    taskQueue: options.taskQueue ?? transactionsTaskQueue,
    ...codeOf(options.workflows),
    activities: options.activities,
    interceptors: {
      activity: [(context) => ({ inbound: inbound(context) })],
    },
    maxCachedWorkflows: 500, // About 100 MB; a run that was evicted is replayed, not lost.
    maxConcurrentWorkflowTaskExecutions: 40,
    maxConcurrentActivityTaskExecutions: remoteActivitiesMax,
    maxConcurrentLocalActivityExecutions: localActivitiesMax, // Together not more than connections of one pool.
    workflowTaskPollerBehavior: { type: 'simple-maximum', maximum: 5 },
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: 5 },
    stickyQueueScheduleToStartTimeout: '1s', // What a killed worker costs its runs; 10 s by default.
    maxHeartbeatThrottleInterval: '1s', // The heartbeat timeout is 2 s.
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '10s', // Longer than any attempt: a graceful stop finishes what it holds.
    shutdownForceTime: '20s', // Below the supervisor's kill.
  });
}

function codeOf(workflows: Workflows) {
  if ('bundlePath' in workflows) return { workflowBundle: { codePath: workflows.bundlePath } };
  if ('bundle' in workflows) return { workflowBundle: { code: workflows.bundle } };
  return { workflowsPath: workflows.path };
}
