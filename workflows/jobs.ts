import { proxyActivities, ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { ActivityOptions } from '@temporalio/workflow';

import { partsOfBusinessId, partsOfGid, type Gid } from '../contracts/ids';
import { activityTypeOf } from '../contracts/participants';
import { searchAttributes } from '../contracts/search-attributes';

/** A job reads pages and writes a few rows; where it cannot for minutes it fails, and the schedule comes again. */
const jobOptions: ActivityOptions = {
  startToCloseTimeout: '30s', // A read of a whole table, each statement bounded by the pool.
  heartbeatTimeout: '5s', // Beaten each second by the activity interceptor.
  scheduleToCloseTimeout: '4m', // Below the interval of its schedule.
  retry: { initialInterval: '200ms', maximumInterval: '30s' },
};

/** Activities of jobs, under the names that they are registered with: `reconciliation.<name>`. */
export function jobActivities<Activities extends object>(): Activities {
  const proxies = proxyActivities<Record<string, (request: unknown) => Promise<unknown>>>(jobOptions);
  // The compiler cannot follow names through a proxy; the contract is what the worker registers.
  return new Proxy({} as Activities, {
    get: (_, name) => proxies[activityTypeOf('reconciliation', String(name))],
  });
}

/**
 * Starts the run of a transaction, which outlives the job. The id is the transaction's, so Temporal itself refuses a
 * second run beside a living one.
 *
 * @param workflow type, as registered.
 * @returns false: it has a living run.
 */
export async function startTransaction(
  workflow: string,
  gid: Gid,
  input: object,
): Promise<boolean> {
  const flow = partsOfGid(gid);
  const tenant = flow && partsOfBusinessId(flow.businessId)?.tenant;
  try {
    await startChild(workflow, {
      workflowId: gid,
      args: [input],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      ...(flow &&
        tenant !== undefined && {
          typedSearchAttributes: [
            { key: searchAttributes.flow, value: flow.flow },
            { key: searchAttributes.tenant, value: tenant },
          ],
        }),
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
