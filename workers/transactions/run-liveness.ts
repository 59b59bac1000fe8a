import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client';

import type { IsAlive } from '../../activities/reconciliation/owners';
import { isBatchId, itemTimelineQuery } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import { callWithin } from '../../runtime/temporal-call';

/** For how long the answer of a batch is waited for. */
const answerMs = 1_500;

/**
 * Does the owner of a row run, and carry its transaction? Asked inside of an activity, of the server that the worker
 * works for.
 */
export const isAlive: IsAlive = async ({ gid, owner }) => {
  const handle = Context.current().client.workflow.getHandle(owner);
  return (await isRunning(handle)) && (!isBatchId(owner) || carries(handle, gid));
};

async function isRunning(handle: WorkflowHandle): Promise<boolean> {
  try {
    return (await handle.describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** A running batch that gives no answer may carry it, so nothing else may run it yet. The next round asks again. */
const carries = (handle: WorkflowHandle, gid: Gid): Promise<boolean> =>
  callWithin(Context.current().client, answerMs, () => handle.query(itemTimelineQuery, gid)).then(
    (timeline) => timeline !== null,
    () => true,
  );
