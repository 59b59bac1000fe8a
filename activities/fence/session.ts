/** What every verb of the fence does alike: enter and lock its rows, tell of its effects, name its verdicts. */
import { ApplicationFailure } from '@temporalio/common';

import type { FailureType, ItemFailure } from '../../contracts/engine/failures';
import { stepKeyOf, type StepKey } from '../../contracts/engine/ids';
import type { FenceVerdict, Verb, Verdict } from '../../contracts/engine/verdict';
import type { Delivery } from './delivery';
import {
  enterRows,
  lockRows,
  type Effect,
  type Entry,
  type EntryOrigin,
  type FenceRow,
} from './rows';
import { writeEvents, type EffectEvent } from './outbox';
import type { OutboxEvent, SqlTransaction } from './participant';

/**
 * A delivery of its first act, undo or seal that is older comes from an attempt that nobody waits for, and the row that
 * would have stopped it may have been swept: fence rows are kept for longer than this.
 */
export const attemptAgeMaxMs = 24 * 3_600_000;

/** One SQL transaction for a part of a set. */
export interface Session {
  readonly sql: SqlTransaction;
  readonly epoch: number;
  readonly token: Buffer;
  readonly delivery: Delivery;
  /** Reached when the fence rows are locked. */
  readonly entered: () => Promise<void>;
}

export async function enter(
  { sql, epoch, token, delivery, entered }: Session,
  origin: Pick<EntryOrigin, 'state' | 'reserves'>,
  entries: readonly Entry[],
): Promise<ReadonlyMap<StepKey, FenceRow>> {
  await enterRows(sql, { ...origin, token, epoch }, entries);
  await entered();
  const rows = await lockRows(sql, entries, delivery.issuedAt);
  for (const row of rows.values()) {
    if (row.token.equals(token) && row.ageMs > attemptAgeMaxMs) throw staleAttempt(row);
  }
  return rows;
}

const staleAttemptType: FailureType = 'StaleAttempt';

const staleAttempt = ({ gid, branch, ageMs }: FenceRow): ApplicationFailure =>
  ApplicationFailure.retryable(
    `The first delivery of ${stepKeyOf(gid, branch)} is ${ageMs} ms old: only a new attempt may act.`,
    staleAttemptType,
  );

/** Inserted by this very SQL transaction: the first delivery of its effect. */
export const isOwn = (row: FenceRow, { token }: Session): boolean => row.token.equals(token);

/** Every effect has its row once it was entered; a hole would be a wrong statement. */
export function rowOf(rows: ReadonlyMap<StepKey, FenceRow>, key: StepKey): FenceRow {
  const row = rows.get(key);
  if (!row) throw new Error(`No fence row of ${key}, although it was entered.`);
  return row;
}

export const announce = (
  { sql, epoch, delivery: { traceparent } }: Session,
  events: readonly EffectEvent[],
): Promise<void> => writeEvents(sql, { epoch, traceparent }, events);

/** An event without an aggregate of its own belongs to its step key: first the act, then what ended it. */
export function effectEvent(
  { gid, branch }: Effect,
  op: 'act' | 'confirm' | 'undo',
  event: OutboxEvent,
): EffectEvent {
  const step = { id: stepKeyOf(gid, branch), sequence: op === 'act' ? 1 : 2 };
  return { gid, branch, op, n: 1, event: { ...event, aggregate: event.aggregate ?? step } };
}

export const byEffect = (one: Effect, other: Effect): number =>
  one.gid < other.gid || (one.gid === other.gid && one.branch < other.branch) ? -1 : 1;

export const succeeded = <Result>(
  { gid, branch }: Effect,
  verb: Verb,
  epoch: number,
  fence: FenceVerdict,
  result: Result,
): Verdict<Result> => ({ gid, branch, verb, fence, epoch, ok: true, result });

export const failed = (
  { gid, branch }: Effect,
  verb: Verb,
  epoch: number,
  fence: FenceVerdict,
  failure: ItemFailure,
  detail: string,
): Verdict<never> => ({ gid, branch, verb, fence, epoch, ok: false, failure, detail });

export const miscounted = (activity: string): Error =>
  new Error(`${activity} did not answer each request of the set exactly once.`);
