/** Rows of transactions that no caller asked for: accepted by a worker, as the API accepts those of callers. */
import { createHash } from 'node:crypto';

import { topics } from '../contracts/events';
import { rowBranch } from '../contracts/runs';
import type { TransactionInput } from '../contracts/transaction';
import { writeEvents } from './outbox';
import type { SqlTransaction } from './participant';

export interface AcceptedRun {
  readonly input: TransactionInput;
  readonly reference: string;
  /** In the place of a method and a route: the row has no key. */
  readonly operation: string;
  /** Where the cluster is: locked by the caller until this is committed. */
  readonly region: string;
  readonly epoch: number;
}

/**
 * Writes row and event, marked as sent before anybody sends it: a cancel that found it unsent would end the row alone,
 * beside its run. Fails where the gid is taken.
 */
export async function insertAccepted(
  sql: SqlTransaction,
  { input, reference, operation, region, epoch }: AcceptedRun,
): Promise<void> {
  const { gid, tenant, flow, deadlineAt } = input;
  const text = JSON.stringify(input);
  await sql.change(
    `INSERT INTO runs (gid, tenant, flow, reference, operation, idempotency_key, fingerprint, field_digests, input,
       owner, region, epoch, accepted_at, start_sent_at, deadline_at, at_risk, requester)
     VALUES (?, ?, ?, ?, ?, NULL, ?, '{}', ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3), ?, '[]', '[]')`,
    [
      gid,
      tenant,
      flow,
      reference,
      operation,
      createHash('sha256').update(text).digest(),
      Buffer.from(text),
      gid,
      region,
      epoch,
      new Date(deadlineAt),
    ],
  );
  await writeEvents(sql, { epoch, traceparent: null }, [
    {
      gid,
      branch: rowBranch,
      op: 'accepted',
      n: 1,
      event: {
        topic: topics.transactions,
        type: 'transaction.accepted',
        aggregate: { id: gid, sequence: 1 },
        data: { gid, tenant, flow },
      },
    },
  ]);
}
