/** Starts what operators start about regions, as the API does: its row first, then its workflow in the hub. */
import { Client, Connection } from '@temporalio/client';
import { createConnection, type RowDataPacket } from 'mysql2/promise';

import { flowDefinitions } from '../../contracts/flows';
import { businessIdOf, gidOf } from '../../contracts/ids';
import type { FailbackInput, FailoverInput, FailoverKind } from '../../contracts/regions';
import { failoverTaskQueue } from '../../contracts/task-queues';
import type { TransactionInput, TransactionResult } from '../../contracts/transaction';
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
const dataSyncSeconds = 8;

/** @returns the run's answer, once it has ended. */
export const switchRegions = (
  stack: Stack,
  { to, kind, reason, mayBeginAlone }: Switch,
): Promise<TransactionResult> =>
  operate(stack, 'failover', ({ region, epoch }, input) => ({
    ...input,
    cluster,
    from: region,
    to,
    kind,
    epoch,
    reason,
    dataSyncSeconds,
    lossAllowedMs: 0,
    mayBeginAlone,
  }));

export const rejoinRegion = (stack: Stack, region: string): Promise<TransactionResult> =>
  operate(stack, 'failback', (hub, input) => ({
    ...input,
    cluster,
    region,
    active: hub.region,
    epoch: hub.epoch,
  }));

interface Hub {
  readonly region: string;
  readonly epoch: number;
  readonly sequence: number;
}

async function operate(
  stack: Stack,
  flow: 'failover' | 'failback',
  inputOf: (hub: Hub, input: TransactionInput) => FailoverInput | FailbackInput,
): Promise<TransactionResult> {
  const input = await accepted(hubUrlOf(stack), flow, inputOf);
  const connection = await Connection.connect({ address: stack.temporal.address });
  try {
    const client = new Client({ connection, namespace: stack.temporal.namespace });
    return await client.workflow.execute<(input: TransactionInput) => Promise<TransactionResult>>(
      flowDefinitions[flow].workflow,
      { workflowId: input.gid, taskQueue: failoverTaskQueue, args: [input] },
    );
  } finally {
    await connection.close();
  }
}

async function accepted(
  hubUrl: string,
  flow: 'failover' | 'failback',
  inputOf: (hub: Hub, input: TransactionInput) => FailoverInput | FailbackInput,
): Promise<TransactionInput> {
  const hub = await createConnection({ uri: hubUrl, timezone: 'Z' });
  try {
    const [rows] = await hub.query<(RowDataPacket & Hub)[]>(
      'SELECT CAST(region AS CHAR) AS region, epoch, sequence FROM cluster_state WHERE cluster = ?',
      [cluster],
    );
    const [row] = rows;
    if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
    const reference = `${row.sequence + 1}-${Date.now()}`;
    const input = inputOf(row, {
      gid: gidOf(flow, businessIdOf(cluster, reference)),
      tenant: cluster,
      flow,
      deadlineAt: Date.now() + lifeMs,
      undoBudgetMs: lifeMs / 2,
    });
    await hub.query(
      `INSERT INTO runs (gid, tenant, flow, reference, operation, fingerprint, field_digests, input, owner, region, epoch,
         accepted_at, start_sent_at, deadline_at, at_risk)
       VALUES (?, ?, ?, ?, ?, UNHEX(REPEAT('00', 32)), '{}', ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), ?, '[]')`,
      [
        input.gid,
        cluster,
        flow,
        reference,
        `POST /v1/${flow}s`,
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
