/**
 * Rows of transactions that a worker accepts without a caller, and the input that a row keeps for another run of its
 * flow.
 */
import { createHash } from 'node:crypto';

import { transactionsTopic } from '../../contracts/engine/events';
import { gidOf, partsOfBusinessId, type BusinessId, type Flow } from '../../contracts/engine/ids';
import {
  deadlineMs,
  undoBudgetShare,
  type TransactionInput,
} from '../../contracts/engine/transaction';
import { rowBranch, type TransactionEventType } from '../../contracts/engine/runs';
import { writeEvents } from './outbox';
import type { SqlTransaction } from './participant';
import { inSqlTransaction, type SqlPool } from './sql-transaction';

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
        type: 'transaction.accepted' satisfies TransactionEventType,
        aggregate: { id: gid, sequence: 1 },
        data: { gid, tenant, flow },
      },
    },
  ]);
}

/** A transaction that a job starts, without a caller. */
export interface JobTransaction {
  readonly flow: Flow;
  /** The gid follows from it: the job may accept the same transaction again. */
  readonly businessId: BusinessId;
  /** Name of the operation instead of a method and a route, for a reader of the row. */
  readonly operation: string;
  /** Milliseconds since 1970. */
  readonly deadlineAt: number;
  /** Input of the flow without the fields that every transaction has. */
  readonly fields: object;
}

/** What a job starts the flow with: the input of the row. */
export interface AcceptedStart {
  readonly gid: TransactionInput['gid'];
  readonly input: object;
}

/**
 * Accepts a transaction of a job: writes its row, unless it exists, and marks it as sent before the start is sent.
 * Otherwise a cancel that finds it unsent would end the row without its run. Safe to repeat.
 *
 * @param cluster its region and epoch go into the row.
 * @returns `null`: the transaction has ended.
 */
export async function acceptJobTransaction(
  accord: SqlPool,
  cluster: string,
  transaction: JobTransaction,
): Promise<AcceptedStart | null> {
  const input = inputOf(transaction);
  const { gid } = input;
  // Only the limits of the SQL transaction bound it.
  const unhurried = { signal: new AbortController().signal, deadline: Infinity };
  return inSqlTransaction(accord, unhurried, async (sql) => {
    if (await insertUnlessThere(sql, cluster, transaction, input)) return { gid, input };
    await sql.change(
      'UPDATE runs SET start_sent_at = UTC_TIMESTAMP(3) WHERE gid = ? AND ended_at IS NULL',
      [gid],
    );
    const [run] = await sql.select<{ readonly input: Buffer | null }>(
      'SELECT input FROM runs WHERE gid = ? AND ended_at IS NULL',
      [gid],
    );
    if (!run) return null;
    const kept = run.input ? (JSON.parse(run.input.toString('utf8')) as object) : input;
    return { gid, input: kept };
  });
}

/** @throws a plain error for a business id of no tenant. */
function inputOf({ flow, businessId, deadlineAt, fields }: JobTransaction): TransactionInput {
  const tenant = partsOfBusinessId(businessId)?.tenant;
  if (tenant === undefined) throw new Error(`${businessId} is no business id.`);
  return {
    ...fields,
    gid: gidOf(flow, businessId),
    tenant,
    flow,
    deadlineAt,
    undoBudgetMs: Math.floor(deadlineMs.default * undoBudgetShare),
  };
}

/** @returns false where the row was there before. */
async function insertUnlessThere(
  sql: SqlTransaction,
  cluster: string,
  { businessId, operation }: JobTransaction,
  input: TransactionInput,
): Promise<boolean> {
  const [hub] = await sql.select<{ readonly region: string; readonly epoch: number }>(
    'SELECT region, epoch FROM cluster_state WHERE cluster = ? FOR SHARE',
    [cluster],
  );
  if (!hub) throw new Error(`No row of cluster_state for ${cluster}.`);
  const found = await sql.select('SELECT gid FROM runs WHERE gid = ?', [input.gid]);
  if (found.length > 0) return false;
  const reference = partsOfBusinessId(businessId)?.id ?? businessId;
  // Another worker may insert it now: then this fails, and the next try finds the row.
  await insertAccepted(sql, { input, reference, operation, ...hub });
  return true;
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
