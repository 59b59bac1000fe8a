import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ParentClosePolicy,
  proxyActivities,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';

import { partsOfBusinessId, partsOfGid, type Gid } from '../contracts/ids';
import { activityTypeOf } from '../contracts/participants';
import { searchAttributes } from '../contracts/search-attributes';
import { jobOptions } from './activity-options';

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
            { key: searchAttributes.state, value: 'running' },
          ],
        }),
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}
