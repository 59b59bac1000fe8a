import type { Context } from '@temporalio/activity';
import type { ActivityExecuteInput } from '@temporalio/worker';
import { expect, it } from '@jest/globals';

import { createActivityInterceptor } from '../../../workers/transactions/activity-interceptor';

type Dependencies = Parameters<typeof createActivityInterceptor>[0];

const quiet = {
  faults: {
    reach: () => Promise.resolve(),
    deliver: (_activity: string, once: () => Promise<unknown>) => once(),
  },
  metrics: { attempt: () => () => undefined },
  stuckAlarmMs: 60_000,
} as unknown as Dependencies; // Only these are used of an attempt that succeeds.

const contextOf = (attempt: number) =>
  ({
    info: {
      attempt,
      activityType: 'accounts.holdFunds',
      scheduledTimestampMs: Date.now(),
      currentAttemptScheduledTimestampMs: Date.now(),
      startToCloseTimeoutMs: 10_000,
    },
    heartbeat: () => undefined,
    cancellationSignal: new AbortController().signal,
  }) as unknown as Context; // As much as an attempt looks at.

const answerAt = (attempt: number, answer: unknown) => {
  const input: ActivityExecuteInput = { args: [], headers: {} };
  return createActivityInterceptor(quiet)(contextOf(attempt)).execute?.(input, () =>
    Promise.resolve(answer),
  );
};

it('an answer tells which attempt it is of, from the second on', async () => {
  const verdict = { gid: 'order:acme.O-1', branch: 'holdFunds', fence: 'first' };
  expect(await answerAt(3, [verdict])).toEqual([{ ...verdict, attempt: 3 }]);
  expect(await answerAt(1, [verdict])).toEqual([verdict]);
  expect(await answerAt(3, { token: '7' })).toEqual({ token: '7' });
});
