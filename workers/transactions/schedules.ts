import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
} from '@temporalio/client';

import type { ReconcileInput, SettleDayInput } from '../../contracts/engine/reconciliation';
import { transactionsTaskQueue } from '../../contracts/engine/task-queues';

/** A round that was missed is made up for within this time: a day without its settlement would be missed by somebody. */
const catchupWindow = '1 day';

/**
 * A run that hangs, whatever at, would keep every later round from its start. Of a day's settlement: it is tried for most
 * of the day, and over before the next.
 */
const runTimeouts = { recover: '10m', reconcile: '1h', retention: '1h', settleDay: '20h' } as const;

/**
 * Creates the schedules of all jobs, or brings them to what is written here. Safe to repeat, and for several workers at
 * once. A schedule that somebody has paused stays paused.
 *
 * @throws where Temporal does not answer: the jobs go on as they were.
 */
export async function ensureSchedules(
  client: Client,
  taskQueue: string = transactionsTaskQueue,
): Promise<void> {
  const repairing: ReconcileInput = { dryRun: false };
  await ensure(client, taskQueue, 'accord-recover', 'recover', [repairing], {
    intervals: [{ every: '1m' }],
  });
  await ensure(client, taskQueue, 'accord-reconcile', 'reconcile', [repairing], {
    intervals: [{ every: '5m' }],
  });
  await ensure(client, taskQueue, 'accord-retention', 'retention', [], {
    intervals: [{ every: '1h' }],
  });
  const yesterday: SettleDayInput = { day: null };
  await ensure(client, taskQueue, 'accord-settlement', 'settleDay', [yesterday], {
    calendars: [{ hour: 0, minute: 10 }], // UTC, with room for what yesterday's last payments still book.
  });
}

async function ensure(
  client: Client,
  taskQueue: string,
  scheduleId: string,
  workflowType: keyof typeof runTimeouts,
  args: unknown[],
  spec: ScheduleOptions['spec'],
): Promise<void> {
  const wanted = {
    spec,
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: scheduleId,
      args,
      taskQueue,
      workflowRunTimeout: runTimeouts[workflowType],
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow },
  } as const;
  try {
    await client.schedule.create({ scheduleId, ...wanted });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(scheduleId)
      .update(({ state }): ScheduleUpdateOptions => ({ ...wanted, state }));
  }
}
