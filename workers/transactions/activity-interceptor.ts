import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

import type { StuckMarks } from '../../activities/runs/stuck-marks';
import type { Gid } from '../../contracts/engine/ids';
import { partsOfStepKey } from '../../contracts/engine/ids';
import type { DeliveryPoints } from '../../runtime/faults/points';
import { withDelivery } from './delivery-context';
import { lastFailureOf, leaveBehind, leftBehind } from './last-failure';
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
  return (context) => ({
    async execute(input, next) {
      const { activityType } = context.info;
      const failingMs = sinceFirstTried(context);
      const left = leftBehind(context); // Said again with each heartbeat: the last one is what the next attempt is told.
      const beat = setInterval(() => context.heartbeat(left), heartbeatEveryMs);
      const done = metrics.attempt(activityType);
      try {
        const gids = () => servedGids(input.args);
        const once = () => withDelivery(context, () => next(input));
        const result = await faults.deliver(activityType, once, gids);
        await faults.reach(activityType, 'beforeAck', gids);
        done('ok');
        return numbered(result, context);
      } catch (error) {
        done('failed');
        const gids = gidsOf(input.args);
        if (gids.length > 0) context.heartbeat(leaveBehind(context, error)); // The SDK sends it before the failure.
        if (gids.length > 0 && failingMs() > stuckAlarmMs) {
          metrics.stuck(activityType);
          // The database may be what is away: then the mark comes with a later attempt.
          void stuckMarks.mark(gids, failingMs()).catch(() => undefined);
        }
        throw error;
      } finally {
        clearInterval(beat);
      }
    },
  });
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
