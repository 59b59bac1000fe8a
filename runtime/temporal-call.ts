import type { Client } from '@temporalio/client';

/**
 * The result of calls to Temporal that end within `ms`.
 * @throws the client's error `DEADLINE_EXCEEDED`: the call may have taken effect.
 */
export const callWithin = <Result>(
  client: Client,
  ms: number,
  work: () => Promise<Result>,
): Promise<Result> => client.withDeadline(Date.now() + ms, work); // The client counts by the machine's clock.
