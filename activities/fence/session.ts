/** Common work of all verbs of the fence: they enter and lock rows, write events, and make verdicts. */
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
import { participantOf } from '../../contracts/engine/definition';
import { topicOf } from '../../contracts/engine/events';
import { writeEvents, type EffectEvent } from './outbox';
import type { FollowUpSpec, OutboxEvent, SqlTransaction } from './participant';

/**
 * A first act, undo or seal that is older belongs to an abandoned attempt, and retention may have deleted the row that
 * would have stopped it. Retention keeps fence rows for longer than this time.
 */
export const attemptAgeMaxMs = 24 * 3_600_000;

/** One SQL transaction for a part of a set. */
export interface Session {
  readonly sql: SqlTransaction;
  readonly epoch: number;
  readonly token: Buffer;
  readonly delivery: Delivery;
  /** Fault point that is reached when the fence rows are locked. */
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

/** Whether this SQL transaction inserted the row: it is the first delivery of the effect. */
export const isOwn = (row: FenceRow, { token }: Session): boolean => row.token.equals(token);

/** The row of an entered effect. A missing row would be a bug in a statement. */
export function rowOf(rows: ReadonlyMap<StepKey, FenceRow>, key: StepKey): FenceRow {
  const row = rows.get(key);
  if (!row) throw new Error(`No fence row of ${key}, although it was entered.`);
  return row;
}

export const announce = (
  { sql, epoch, delivery: { traceparent } }: Session,
  events: readonly EffectEvent[],
): Promise<void> => writeEvents(sql, { epoch, traceparent }, events);

/** An operation, as far as its events go. */
type Announcer = Pick<FollowUpSpec, 'activity' | 'announces'>;

/**
 * The event of an effect, on the topic of its participant. An event without an aggregate of its own belongs to its step
 * key: first the act, then its confirm or undo. An operation that declares no events announces the generic one.
 *
 * @param event `null`: the engine's own decision, which has none.
 * @throws an error for an act whose event its operation does not declare, or whose declared one is missing: nothing of
 *   the set is written then. A confirm or undo never fails for its event, or what was set aside would stay so.
 */
export function effectEvents(
  { gid, branch }: Effect,
  op: 'act' | 'confirm' | 'undo',
  event: OutboxEvent | null | undefined,
  by: Announcer,
): readonly EffectEvent[] {
  if (op === 'act') demandDeclared(event, by);
  const announced = event === undefined ? { type: by.activity, data: {} } : event;
  if (announced === null) return [];
  const step = { id: stepKeyOf(gid, branch), sequence: op === 'act' ? 1 : 2 };
  const topic = topicOf(participantOf(by.activity));
  const whole = { ...announced, aggregate: announced.aggregate ?? step };
  return [{ gid, branch, op, n: 1, topic, event: whole }];
}

function demandDeclared(
  event: OutboxEvent | null | undefined,
  { activity, announces }: Announcer,
): void {
  if (event && !announces.includes(event.type)) {
    const isGeneric = announces.length === 0 && event.type === activity;
    if (isGeneric) return;
    throw new Error(
      `${activity} announced ${event.type}, which its participant does not declare for it.`,
    );
  }
  if (!event && announces.length > 0) {
    const declared = announces.join(' or ');
    throw new Error(`${activity} announced nothing, although it declares ${declared}.`);
  }
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
