import {
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  type Client,
  type ScheduleOptions,
  type ScheduleUpdateOptions,
} from '@temporalio/client';

import type { ReconcileInput } from '../../contracts/engine/reconciliation';
import { transactionsTaskQueue } from '../../contracts/engine/task-queues';

/**
 * A round that was missed is made up for within this time: a day without its settlement would be missed by somebody.
 */
const catchupWindow = '1 day';

/** A job that Temporal starts by itself, one round at a time. */
export interface JobSchedule {
  /** Id of the schedule, and of the workflow that it starts. */
  readonly id: string;
  /** Type, as registered. */
  readonly workflow: string;
  readonly args: readonly unknown[];
  readonly spec: ScheduleOptions['spec'];
  /** Milliseconds. A run that hangs, whatever at, would keep every later round from its start. */
  readonly runTimeoutMs: number;
}

const minuteMs = 60_000;
const repairing: ReconcileInput = { dryRun: false };

/** The jobs of every application. */
export const engineSchedules: readonly JobSchedule[] = [
  {
    ...{ id: 'accord-recover', workflow: 'recover', args: [repairing] },
    ...{ spec: { intervals: [{ every: '1m' }] }, runTimeoutMs: 10 * minuteMs },
  },
  {
    ...{ id: 'accord-reconcile', workflow: 'reconcile', args: [repairing] },
    ...{ spec: { intervals: [{ every: '5m' }] }, runTimeoutMs: 60 * minuteMs },
  },
  {
    ...{ id: 'accord-retention', workflow: 'retention', args: [] },
    ...{ spec: { intervals: [{ every: '1h' }] }, runTimeoutMs: 60 * minuteMs },
  },
];

/**
 * Creates the schedules, or brings them to what is declared. Safe to repeat, and for several workers at once. A paused
 * schedule stays paused.
 *
 * @throws where Temporal does not answer: the jobs go on as they were.
 */
export async function ensureSchedules(
  client: Client,
  schedules: readonly JobSchedule[],
  taskQueue: string = transactionsTaskQueue,
): Promise<void> {
  for (const schedule of schedules) await ensure(client, taskQueue, schedule);
}

async function ensure(
  client: Client,
  taskQueue: string,
  { id: scheduleId, workflow, args, spec, runTimeoutMs }: JobSchedule,
): Promise<void> {
  const wanted = {
    spec,
    action: {
      type: 'startWorkflow',
      workflowType: workflow,
      workflowId: scheduleId,
      args: [...args],
      taskQueue,
      workflowRunTimeout: runTimeoutMs,
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
