import { Context } from '@temporalio/activity';

import { answered, withDigests } from '../../../workers/transactions/answers';

type Activities = Readonly<Record<string, (request: unknown) => unknown>>;

/** As the interceptor of the worker does it: verdicts bear their time, and those of a local call digests. */
export const answeringAsAWorker = (activities: Activities): Activities =>
  Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      name,
      async (requests: unknown) => {
        const verdicts = answered(await activity(requests), Date.now());
        return Context.current().info.isLocal ? withDigests(verdicts, requests) : verdicts;
      },
    ]),
  );
