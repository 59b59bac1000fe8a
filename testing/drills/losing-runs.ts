/** What befalls the run of a switch from outside, in Temporal, while the switch is held at one of its steps. */
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { RowDataPacket } from 'mysql2/promise';

import { openConnection } from '../../runtime/mysql/door';

import { failover } from '../../contracts/regions/failover';
import { reconcileAgeSeconds } from '../../contracts/engine/reconciliation';
import type { FailoverInput } from '../../contracts/regions/regions';
import { failoverTaskQueue } from '../../contracts/engine/task-queues';
import { runRound } from '../../scripts/reconcile-round';
import type { Stack } from '../stack/stack';
import { pause } from '../../runtime/waiting';
import { heldAt, type LossWay, type LostRun } from './plans';

const heldWithinMs = 180_000; // Behind a reset it does all of its steps again, on a machine that may be busy.
const lookEveryMs = 100;
/** The number of this state in the API of Temporal. */
const startedState: number = 2;

/** Where the runs are, and their rows. */
export interface RunsSite {
  readonly stack: Stack;
  /** Address of the hub's database, for the administrator. */
  readonly hubUrl: string;
  /** Ends the worker that a fault holds. After `meanwhile`, the worker starts again without its faults. */
  readonly release: (meanwhile: () => Promise<void>) => Promise<void>;
  /** Stops everything, and brings it up. */
  readonly restartAll: () => Promise<void>;
}

/** @returns what the hub has noted about the switch, in milliseconds since 1970; `null`: nothing. */
export const epochAdvancedAt = (hubUrl: string, gid: string): Promise<number | null> =>
  inHub(hubUrl, async (hub) => {
    const [rows] = await hub.query<(RowDataPacket & { readonly at: string })[]>(
      `SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', decided_at) DIV 1000 AS at
         FROM region_decisions WHERE gid = ? AND happened = 1`,
      [gid],
    );
    return rows[0] ? Number(rows[0].at) : null;
  });

/** Waits until the run is held, loses it, and has somebody go on with it. */
export async function loseRun(site: RunsSite, gid: string, lost: LostRun): Promise<void> {
  const step = heldAt(lost);
  const connection = await Connection.connect({ address: site.stack.temporal.address });
  try {
    const client = new Client({ connection, namespace: site.stack.temporal.namespace });
    const run = client.workflow.getHandle(gid);
    await untilHeld(run, step);
    if (step === 'regions.advanceEpoch') await untilEpochAdvanced(site.hubUrl, gid);
    await ways[lost.way]({ ...site, client, run, gid, step });
  } finally {
    await connection.close();
  }
}

interface Losing extends RunsSite {
  readonly client: Client;
  readonly run: WorkflowHandle;
  readonly gid: string;
  readonly step: string;
}

const ways: Readonly<Record<LossWay, (losing: Losing) => Promise<void>>> = {
  restart: ({ client, run, gid, hubUrl, release }) =>
    release(async () => {
      const input = await inputOf(hubUrl, gid);
      await run.terminate('A drill.');
      await client.workflow.start(failover.workflow, {
        workflowId: gid,
        taskQueue: failoverTaskQueue,
        args: [{ ...input, deadlineAt: Date.now() + input.undoBudgetMs }],
      });
    }),
  recover: ({ run, gid, hubUrl, release }) =>
    release(async () => {
      await run.terminate('A drill.');
      await age(hubUrl, gid);
      await runRound('regions', { dryRun: false }, ['recover']); // The other job waits for the regions.
      // By this round, or by that of the schedule: the failover worker is dead.
      const { name } = (await run.describe()).status;
      if (name !== 'RUNNING') throw new Error(`${gid} was not recovered: it is ${name}.`);
    }),
  alone: ({ run, release }) =>
    release(async () => {
      await run.terminate('A drill.');
    }),
  blackout: ({ release, restartAll }) => release(restartAll),
  async reset({ client, run, gid, step, stack, release }) {
    const { workflowExecutionInfo } = (await run.describe()).raw;
    const runId = workflowExecutionInfo?.execution?.runId ?? '';
    const { events } = await client.workflow.getHandle(gid, runId).fetchHistory();
    const tasks = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
    for (const { eventId } of tasks) {
      await client.workflowService.resetWorkflowExecution({
        namespace: stack.temporal.namespace,
        workflowExecution: { workflowId: gid, runId },
        workflowTaskFinishEventId: eventId ?? null,
        reason: 'A drill.',
        requestId: `${gid}-${String(eventId)}`,
      });
      await untilHeld(run, step);
    }
    await release(() => Promise.resolve());
  },
};

async function untilEpochAdvanced(hubUrl: string, gid: string): Promise<void> {
  const until = Date.now() + heldWithinMs;
  while ((await epochAdvancedAt(hubUrl, gid)) === null) {
    if (Date.now() > until) throw new Error(`${gid} has not advanced the epoch.`);
    await pause(lookEveryMs);
  }
}

async function untilHeld(run: WorkflowHandle, step: string): Promise<void> {
  const until = Date.now() + heldWithinMs;
  for (;;) {
    const { raw, status } = await run.describe();
    const isHeld = (raw.pendingActivities ?? []).some(
      ({ activityType, state }) => activityType?.name === step && Number(state) === startedState,
    );
    if (isHeld) return;
    if (Date.now() > until)
      throw new Error(`${run.workflowId} is ${status.name}, and has not reached ${step}.`);
    await pause(lookEveryMs);
  }
}

/** Time passes: a run is looked for once its row has not moved for long. */
const age = (hubUrl: string, gid: string): Promise<void> =>
  inHub(hubUrl, async (hub) => {
    const seconds = reconcileAgeSeconds.idle + 1;
    await hub.query(
      `UPDATE runs SET accepted_at = accepted_at - INTERVAL ? SECOND, moved_at = GREATEST(0, moved_at - ?),
              start_sent_at = start_sent_at - INTERVAL ? SECOND WHERE gid = ?`,
      [seconds, seconds * 1_000, seconds, gid],
    );
  });

const inputOf = (hubUrl: string, gid: string): Promise<FailoverInput> =>
  inHub(hubUrl, async (hub) => {
    const [rows] = await hub.query<(RowDataPacket & { readonly input: Buffer })[]>(
      'SELECT input FROM runs WHERE gid = ?',
      [gid],
    );
    if (!rows[0]) throw new Error(`There is no row of ${gid}.`);
    return JSON.parse(rows[0].input.toString('utf8')) as FailoverInput; // Written as it was accepted.
  });

async function inHub<Result>(
  hubUrl: string,
  work: (hub: Awaited<ReturnType<typeof openConnection>>) => Promise<Result>,
): Promise<Result> {
  const hub = await openConnection({ url: hubUrl });
  try {
    return await work(hub);
  } finally {
    hub.destroy();
  }
}
