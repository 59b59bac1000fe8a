import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

import type { StuckMarks } from '../../activities/runs/stuck-marks';
import type { Gid } from '../../contracts/engine/ids';
import { failureTypeOf } from '../../contracts/engine/failures';
import { partsOfStepKey } from '../../contracts/engine/ids';
import { notTried } from '../../contracts/engine/verdict';
import type { DeliveryPoints } from '../../runtime/faults/points';
import { withDelivery } from './delivery-context';
import { lastFailureOf, leaveBehind, leftBehind } from './last-failure';
import { answered, withDigests } from './answers';
import { createLocalHealth } from './local-health';
import type { TransactionMetrics } from './metrics';

/** Half of the heartbeat timeout of `workflows/kernel/activity-options.ts`: a killed worker is noticed, a slow one is not. */
const heartbeatEveryMs = 1_000;

export interface ActivityInterceptorDependencies {
  readonly faults: DeliveryPoints;
  readonly metrics: TransactionMetrics;
  readonly stuckMarks: StuckMarks;
  /** For how long a step may fail transiently before it is called stuck. */
  readonly stuckAlarmMs: number;
}

/** What every attempt has around it: its delivery, a heartbeat, its metric, the stuck alarm, the last fault point. */
export function createActivityInterceptor({
  faults,
  metrics,
  stuckMarks,
  stuckAlarmMs,
}: ActivityInterceptorDependencies): (context: Context) => ActivityInboundCallsInterceptor {
  const health = createLocalHealth(() => performance.now());

  /**
   * A local attempt has no heartbeat and no next attempt.
   * @throws at once while its participant does not answer.
   */
  async function executeLocal(context: Context, attempt: () => Promise<unknown>): Promise<unknown> {
    const { activityType } = context.info;
    const [participant = ''] = activityType.split('.');
    if (!health.mayTry(participant)) throw notTriedFor(participant);
    const done = metrics.attempt(activityType, 'local');
    try {
      const verdicts = await attempt();
      health.answered(participant);
      done('ok');
      return verdicts;
    } catch (error) {
      if (hasAnswered(error)) health.answered(participant);
      else health.failed(participant);
      done('failed');
      throw error;
    }
  }

  return (context) => ({
    async execute(input, next) {
      const { activityType } = context.info;
      const gids = () => servedGids(input.args);
      const attempt = async () => {
        const once = () => withDelivery(context, () => next(input));
        const result = await faults.deliver(activityType, once, gids);
        await faults.reach(activityType, 'beforeAck', gids);
        return result;
      };
      const answeredAt = sinceScheduled(context);
      if (context.info.isLocal) {
        const verdicts = await executeLocal(context, attempt);
        return withDigests(answered(verdicts, answeredAt()), input.args[0]);
      }
      const failingMs = sinceFirstTried(context);
      const left = leftBehind(context); // Said again with each heartbeat: the last one is what the next attempt is told.
      const beat = setInterval(() => context.heartbeat(left), heartbeatEveryMs);
      const done = metrics.attempt(activityType, 'remote');
      try {
        const result = await attempt();
        done('ok');
        return answered(numbered(result, context), answeredAt());
      } catch (error) {
        done('failed');
        const items = gidsOf(input.args);
        if (items.length > 0) context.heartbeat(leaveBehind(context, error)); // The SDK sends it before the failure.
        if (items.length > 0 && failingMs() > stuckAlarmMs) {
          metrics.stuck(activityType);
          // The database may be what is away: then the mark comes with a later attempt.
          void stuckMarks.mark(items, failingMs()).catch(() => undefined);
        }
        throw error;
      } finally {
        clearInterval(beat);
      }
    },
  });
}

const notTriedFor = (participant: string): ApplicationFailure =>
  ApplicationFailure.retryable(
    `${participant} did not answer the local attempts before.`,
    notTried,
  );

/** A store that throws a failure of the engine has its database's answer: that it is not time yet, for example. */
const hasAnswered = (error: unknown): boolean => failureTypeOf(error) !== undefined;

/** The time of now, by the clock that has scheduled the attempt. */
function sinceScheduled({ info }: Context): () => number {
  const began = performance.now();
  return () => Math.round(info.currentAttemptScheduledTimestampMs + performance.now() - began);
}

/** Milliseconds: by Temporal's clock up to this attempt, by a steady one since. No machine's own clock is asked. */
function sinceFirstTried({ info }: Context): () => number {
  const beforeMs = info.currentAttemptScheduledTimestampMs - info.scheduledTimestampMs;
  const began = performance.now();
  return () => beforeMs + (performance.now() - began);
}

/**
 * Tells the run how many attempts an answer took and how the one before failed, which it cannot see itself: in each
 * verdict, from the second on.
 */
function numbered(result: unknown, context: Context): unknown {
  const { attempt } = context.info;
  if (attempt === 1 || !Array.isArray(result)) return result;
  const lastFailure = lastFailureOf(context);
  return result.map((verdict: unknown) =>
    typeof verdict === 'object' && verdict !== null && 'fence' in verdict
      ? { ...verdict, attempt, lastFailure }
      : verdict,
  );
}

/** The transactions that this attempt serves. */
function servedGids([request]: readonly unknown[]): readonly string[] {
  const isOfOne = typeof request === 'object' && request !== null && 'gid' in request;
  return isOfOne ? [String(request.gid)] : gidsOf([request]);
}

/** The transactions whose items this attempt carries; none for a lock, which waits and is never stuck. */
function gidsOf([requests]: readonly unknown[]): readonly Gid[] {
  if (!Array.isArray(requests)) return [];
  return requests.flatMap((request: unknown) => {
    const isKeyed = typeof request === 'object' && request !== null && 'key' in request;
    return isKeyed ? (partsOfStepKey(String(request.key))?.gid ?? []) : [];
  });
}
