import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';

import {
  isOperatorFlow,
  partsOfBusinessId,
  partsOfGid,
  type Gid,
} from '../../contracts/engine/ids';
import { searchAttributes } from '../../contracts/engine/search-attributes';
import { taskQueueOf, workflowTaskTimeout } from '../../contracts/engine/task-queues';

/**
 * Starts the run of a transaction, which outlives the workflow that starts it. Its workflow id is the gid, so Temporal itself refuses a
 * second run beside an open one.
 *
 * @param workflow type, as registered.
 * @returns false: it has an open run.
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
      workflowTaskTimeout,
      parentClosePolicy: ParentClosePolicy.ABANDON,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      // Operators' flows run on another worker; all other flows on the worker of this workflow.
      ...(flow && isOperatorFlow(flow.flow) && { taskQueue: taskQueueOf(flow.flow) }),
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
