import { ApplicationFailure } from '@temporalio/activity';
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
  stuckMarks: { mark: () => Promise.resolve() },
} as unknown as Dependencies; // As much as an attempt uses that is not stuck.

const contextOf = (
  attempt: number,
  heartbeatDetails?: unknown,
  beats: unknown[] = [],
  more: Partial<Context['info']> = {},
) =>
  ({
    info: {
      attempt,
      heartbeatDetails,
      activityType: 'accounts.holdFunds',
      scheduledTimestampMs: Date.now(),
      currentAttemptScheduledTimestampMs: Date.now(),
      startToCloseTimeoutMs: 10_000,
      ...more,
    },
    heartbeat: (details: unknown) => beats.push(details),
    cancellationSignal: new AbortController().signal,
  }) as unknown as Context; // As much as an attempt looks at.

/** An attempt that fails, by Temporal's clock so long after the first one. @returns for how long it is marked as stuck. */
async function markedAfter(ms: number, temporalNow: number): Promise<readonly number[]> {
  const marks: number[] = [];
  const context = contextOf(2, undefined, [], {
    scheduledTimestampMs: temporalNow - ms,
    currentAttemptScheduledTimestampMs: temporalNow,
  });
  const intercepting = createActivityInterceptor({
    ...quiet,
    metrics: { ...quiet.metrics, stuck: () => undefined },
    stuckMarks: { mark: (_, forMs) => Promise.resolve(void marks.push(forMs)) },
  });
  const failing = intercepting(context).execute?.(input, () => Promise.reject(new Error('Lost.')));
  await expect(failing).rejects.toThrow('Lost.');
  return marks;
}

/** Attempts of one worker, local ones, that end so. @returns how often the activity itself was called. */
async function localAttempts(ends: readonly (() => Promise<unknown>)[]): Promise<number> {
  const intercept = createActivityInterceptor(quiet);
  let calls = 0;
  for (const end of ends) {
    const context = contextOf(1, undefined, [], { isLocal: true });
    const attempt = intercept(context).execute?.(input, () => {
      calls += 1;
      return end();
    });
    await Promise.resolve(attempt).catch(() => undefined);
  }
  return calls;
}

const unanswered = () => Promise.reject(new Error('Lost.'));
const notYet = () => Promise.reject(ApplicationFailure.retryable('Not yet.', 'NotYet'));

it('does not try a participant locally that has not answered three local attempts of the worker', async () => {
  expect(await localAttempts([unanswered, unanswered, unanswered, unanswered])).toBe(3);
});

it('tries a participant locally that answers, if only that it is not time yet', async () => {
  expect(
    await localAttempts([
      notYet,
      notYet,
      notYet,
      notYet,
      unanswered,
      unanswered,
      notYet,
      unanswered,
    ]),
  ).toBe(8);
});

const verdict = { gid: 'order:acme.O-1', branch: 'holdFunds', fence: 'first' };
const input: ActivityExecuteInput = { args: [[{ key: 'order:acme.O-1/holdFunds' }]], headers: {} };

const answerAt = (attempt: number, answer: unknown, left?: unknown) =>
  createActivityInterceptor(quiet)(contextOf(attempt, left)).execute?.(input, () =>
    Promise.resolve(answer),
  );

/** What an attempt that fails says with its last heartbeat. */
async function leftBy(attempt: number, error: Error): Promise<unknown> {
  const beats: unknown[] = [];
  const context = contextOf(attempt, undefined, beats);
  const execution = createActivityInterceptor(quiet)(context).execute?.(input, () =>
    Promise.reject(error),
  );
  await expect(execution).rejects.toBe(error);
  return beats.at(-1);
}

it('an answer tells which attempt it is of, from the second on', async () => {
  expect(await answerAt(3, [verdict])).toMatchObject([{ ...verdict, attempt: 3 }]);
  expect(await answerAt(1, [verdict])).toEqual([{ ...verdict, answeredAt: expect.any(Number) }]);
  expect(await answerAt(3, { token: '7' })).toEqual({ token: '7' });
});

it('an answer tells how the attempt before it failed', async () => {
  const lost = new Error(`connect ECONNREFUSED 10.0.0.7:3306 ${'x'.repeat(400)}`);
  const left = await leftBy(2, lost);
  const lastFailure = { type: 'unknown', text: lost.message.slice(0, 300) };
  expect(await answerAt(3, [verdict], left)).toMatchObject([
    { ...verdict, attempt: 3, lastFailure },
  ]);
  const stale = await leftBy(1, ApplicationFailure.create({ type: 'StaleEpoch', message: 'Old.' }));
  expect(await answerAt(2, [verdict], stale)).toMatchObject([
    { lastFailure: { type: 'StaleEpoch', text: 'Old.' } },
  ]);
});

it("a step is stuck by Temporal's clock, whatever the worker's own says", async () => {
  const hour = 3_600_000;
  for (const temporalNow of [Date.now() - hour, Date.now() + hour]) {
    const [forMs] = await markedAfter(61_000, temporalNow);
    expect(forMs).toBeGreaterThanOrEqual(61_000);
    expect(forMs).toBeLessThan(hour);
    expect(await markedAfter(1_000, temporalNow)).toEqual([]);
  }
});

it('an attempt that was killed has left nothing, and what failed before it is not told as its failure', async () => {
  const left = await leftBy(1, new Error('Lost.'));
  expect(await answerAt(3, [verdict], left)).toMatchObject([{ lastFailure: { type: 'unknown' } }]);
  expect(JSON.stringify(await answerAt(3, [verdict], left))).not.toContain('Lost.');
  expect(await answerAt(2, [verdict])).toMatchObject([{ lastFailure: { type: 'unknown' } }]);
});
