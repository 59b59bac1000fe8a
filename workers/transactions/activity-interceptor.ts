import type { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';

import type { FaultPoints } from '../../processes/fault-points';
import { withDelivery } from './delivery-context';
import type { TransactionMetrics } from './metrics';

/** Half of the heartbeat timeout of `workflows/activity-options.ts`: a killed worker is noticed, a slow one is not. */
const heartbeatEveryMs = 1_000;

/** What every attempt has around it: its delivery, a heartbeat, its metric, and the last fault point. */
export function createActivityInterceptor({
  faults,
  metrics,
}: {
  readonly faults: FaultPoints;
  readonly metrics: TransactionMetrics;
}): (context: Context) => ActivityInboundCallsInterceptor {
  return (context) => ({
    async execute(input, next) {
      const { activityType } = context.info;
      const beat = setInterval(() => context.heartbeat(), heartbeatEveryMs);
      const done = metrics.attempt(activityType);
      try {
        const result = await withDelivery(context, () => next(input));
        await faults.reach(activityType, 'beforeAck');
        done('ok');
        return result;
      } catch (error) {
        done('failed');
        throw error;
      } finally {
        clearInterval(beat);
      }
    },
  });
}
