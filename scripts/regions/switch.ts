/** Starts a switch of regions, as the API does: its row first, then its workflow in the hub. */
import { Client, Connection } from '@temporalio/client';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

import { businessIdOf, gidOf } from '../../contracts/ids';
import type { FailoverInput, FailoverKind } from '../../contracts/regions';
import { failoverTaskQueue } from '../../contracts/task-queues';
import type { TransactionResult } from '../../contracts/transaction';
import type { Stack } from '../stack/stack';
import { hubUrlOf } from './cluster';

export interface Switch {
  readonly to: string;
  readonly kind: FailoverKind;
  readonly reason: string;
  readonly mayBeginAlone: boolean;
}

const cluster = 'main';
const lifeMs = 600_000;
const dataSyncSeconds = 10;

/** @returns the run's answer, once it has ended. */
export async function switchRegions(stack: Stack, asked: Switch): Promise<TransactionResult> {
  const input = await accepted(hubUrlOf(stack), asked);
  const connection = await Connection.connect({ address: stack.temporal.address });
  try {
    const client = new Client({ connection, namespace: stack.temporal.namespace });
    return await client.workflow.execute<(input: FailoverInput) => Promise<TransactionResult>>(
      'regionFailover',
      { workflowId: input.gid, taskQueue: failoverTaskQueue, args: [input] },
    );
  } finally {
    await connection.close();
  }
}

async function accepted(
  hubUrl: string,
  { to, kind, reason, mayBeginAlone }: Switch,
): Promise<FailoverInput> {
  const hub = await createConnection({ uri: hubUrl, timezone: 'Z' });
  try {
    const [rows] = await hub.query<
      (RowDataPacket & { region: string; epoch: number; sequence: number })[]
    >(
      'SELECT CAST(region AS CHAR) AS region, epoch, sequence FROM cluster_state WHERE cluster = ?',
      [cluster],
    );
    const [row] = rows;
    if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
    const reference = `${row.sequence + 1}-${Date.now()}`;
    const input: FailoverInput = {
      gid: gidOf('failover', businessIdOf(cluster, reference)),
      tenant: cluster,
      flow: 'failover',
      deadlineAt: Date.now() + lifeMs,
      undoBudgetMs: lifeMs / 2,
      cluster,
      from: row.region,
      to,
      kind,
      epoch: row.epoch,
      reason,
      dataSyncSeconds,
      lossAllowedMs: 0,
      mayBeginAlone,
    };
    await hub.query(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region, epoch,
         accepted_at, start_sent_at, deadline_at, at_risk)
       VALUES (?, ?, 'failover', ?, 'POST /v1/failovers', UNHEX(REPEAT('00', 32)), '{}', ?, ?, ?, ?, UTC_TIMESTAMP(3),
               UTC_TIMESTAMP(3), ?, '[]')`,
      [
        input.gid,
        cluster,
        reference,
        JSON.stringify(input),
        input.gid,
        row.region,
        row.epoch,
        new Date(input.deadlineAt),
      ],
    );
    return input;
  } finally {
    await hub.end();
  }
}
