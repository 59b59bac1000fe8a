import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError } from '@temporalio/client';

import type { Gid } from '../../contracts/engine/ids';

/** Has Temporal an open run of this transaction? Asked inside of an activity, of the server that the worker works for. */
export async function isRunning(gid: Gid): Promise<boolean> {
  try {
    const { status } = await Context.current().client.workflow.getHandle(gid).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
