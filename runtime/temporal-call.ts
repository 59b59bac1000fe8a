import { isGrpcServiceError, ServiceError, type Client } from '@temporalio/client';

import { pause } from './waiting';

/**
 * The result of calls to Temporal that end within `ms`.
 * @throws the client's error `DEADLINE_EXCEEDED`: the call may have taken effect.
 */
export const callWithin = <Result>(
  client: Client,
  ms: number,
  work: () => Promise<Result>,
): Promise<Result> => client.withDeadline(Date.now() + ms, work); // The client counts by the machine's clock.

const againAfterMs = 50;
const sendsMax = 100;
/** `FAILED_PRECONDITION` of gRPC. */
const failedPrecondition: number = 9;

/**
 * Sends an update again for as long as its workflow task fails: Temporal has taken nothing of it then. This happens
 * where the update ends the run in one task, and an event comes meanwhile. The deadline of the call ends it.
 */
export async function sendUpdate<Result>(send: () => Promise<Result>): Promise<Result> {
  for (let sends = 1; ; sends += 1) {
    try {
      return await send();
    } catch (error) {
      if (!didTaskFail(error) || sends === sendsMax) throw error;
      await pause(againAfterMs);
    }
  }
}

function didTaskFail(error: unknown): boolean {
  if (!(error instanceof ServiceError) || !isGrpcServiceError(error.cause)) return false;
  const { code, details }: { code: number; details: string } = error.cause;
  return code === failedPrecondition && details.includes('workflow task failure');
}
