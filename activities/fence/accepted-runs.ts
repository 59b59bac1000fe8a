/**
 * Rows of transactions as a worker accepts them, where no caller has asked for one, and what a row has kept for who has to
 * run the flow again.
 */
import { createHash } from 'node:crypto';

import { topics } from '../../contracts/engine/events';
import { rowBranch } from '../../contracts/engine/runs';
import { undoBudgetShare, type TransactionInput } from '../../contracts/engine/transaction';
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

/**
 * What another run of a row is started with, its deadline as the row has it: a review puts that one off, and a run that
 * waits for a person again must not find its time over. A switch of regions that has begun has its time anew: nobody else
 * may move them until it has ended, and a region that is dead cannot be switched back to.
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
  const kept = JSON.parse(input.toString('utf8')) as TransactionInput; // Written as it was validated.
  const anew = isUnderWay ? now + kept.undoBudgetMs / undoBudgetShare : 0;
  return { ...kept, deadlineAt: Math.max(kept.deadlineAt, deadline_at.getTime(), anew) };
}
