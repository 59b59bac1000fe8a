import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { ParentClosePolicy, startChild, WorkflowIdReusePolicy } from '@temporalio/workflow';

import { partsOfBusinessId, partsOfGid, type Gid } from '../contracts/ids';
import { searchAttributes } from '../contracts/search-attributes';

/** Activities of reconciliation under the names that they are registered with. */
export type Registered<Activities> = {
  readonly [Name in keyof Activities & string as `reconciliation.${Name}`]: Activities[Name];
};

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
