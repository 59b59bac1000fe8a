/**
 * Rows of transactions that a worker accepts without a caller, and the input that a row keeps for another run of its
 * flow.
 */
import { createHash } from 'node:crypto';

import { transactionsTopic } from '../../contracts/engine/events';
import { rowBranch } from '../../contracts/engine/runs';
import { undoBudgetShare, type TransactionInput } from '../../contracts/engine/transaction';
import { writeEvents } from './outbox';
import type { SqlTransaction } from './participant';

export interface AcceptedRun {
  readonly input: TransactionInput;
  readonly reference: string;
  /** Name of the operation instead of a method and a route. The row has no idempotency key. */
  readonly operation: string;
  /** Active region of the cluster. The caller has locked it until the commit. */
  readonly region: string;
  readonly epoch: number;
}

/**
 * Writes row and event. The row is marked as sent before the start is sent: a cancel that finds it unsent would end the
 * row without its run. Fails if the gid exists.
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
      topic: transactionsTopic,
      event: {
        type: 'transaction.accepted',
        aggregate: { id: gid, sequence: 1 },
        data: { gid, tenant, flow },
      },
    },
  ]);
}

/**
 * Input for another run of a row. It has the deadline of the row, which a review may have put off: a run that waits for
 * a person again must not start after its deadline. A switch of regions that has begun gets its full time again: no
 * other switch may begin before it has ended, and a dead region cannot become active again.
 *
 * @param isUnderWay it holds the row of its cluster.
 * @param now in milliseconds since 1970.
 * @returns `null`: it was not kept, so nobody can run the flow again.
 */
export function inputOfNextRun(
  { input, deadline_at }: { readonly input: Buffer | null; readonly deadline_at: Date },
  isUnderWay: boolean,
  now: number,
): TransactionInput | null {
  if (input === null) return null;
  const kept = JSON.parse(input.toString('utf8')) as TransactionInput; // It was validated before it was written.
  const anew = isUnderWay ? now + kept.undoBudgetMs / undoBudgetShare : 0;
  return { ...kept, deadlineAt: Math.max(kept.deadlineAt, deadline_at.getTime(), anew) };
}
