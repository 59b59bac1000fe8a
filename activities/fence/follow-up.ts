/** `confirm`, `undo` and `seal`: the verbs after an act, or instead of one that never arrived. */
import type { Keyed, SealAnswer, Verdict } from '../../contracts/engine/verdict';
import { lockRows, moveRows, type Effect, type FenceRow } from './rows';
import {
  announce,
  byEffect,
  effectEvents,
  enter,
  failed,
  miscounted,
  rowOf,
  succeeded,
  type Session,
} from './session';
import type { Item } from './fenced-set';
import type { FollowUpSpec } from './participant';

export async function confirm(
  session: Session,
  spec: FollowUpSpec,
  items: readonly Item<Keyed>[],
): Promise<readonly Verdict<null>[]> {
  const rows = await lockRows(session.sql, items, session.delivery.issuedAt);
  await session.entered();
  const stateOf = ({ key }: Item<Keyed>) => rows.get(key)?.state;
  const acted = items.filter((item) => stateOf(item) === 'acted');
  const done = items.filter((item) => stateOf(item) === 'confirmed');
  await followUp(session, spec, acted, 'confirm');
  await moveRows(session.sql, [...acted, ...done].sort(byEffect), 'confirmed');
  return items.map((item) => {
    const state = stateOf(item) ?? 'missing';
    if (state === 'acted') return succeeded(item, 'confirm', session.epoch, 'confirmed', null);
    if (state === 'confirmed') return succeeded(item, 'confirm', session.epoch, 'duplicate', null);
    const detail = `Nothing to confirm: the row is ${state}.`;
    return failed(item, 'confirm', session.epoch, 'broken', 'InvariantBroken', detail);
  });
}

export async function undo(
  session: Session,
  spec: FollowUpSpec,
  items: readonly Item<Keyed>[],
): Promise<readonly Verdict<null>[]> {
  const rows = await enterEmpty(session, items);
  const acted = items.filter(({ key }) => rowOf(rows, key).state === 'acted');
  await followUp(session, spec, acted, 'undo');
  await moveRows(session.sql, acted, 'undone');
  return items.map((item) => undoVerdict(item, rowOf(rows, item.key), session.epoch));
}

function undoVerdict(item: Effect, { state }: FenceRow, epoch: number): Verdict<null> {
  switch (state) {
    case 'acted':
      return succeeded(item, 'undo', epoch, 'undone', null);
    case 'undone':
      return succeeded(item, 'undo', epoch, 'duplicate', null);
    case 'empty':
    case 'refused':
      return succeeded(item, 'undo', epoch, state, null);
    case 'confirmed':
      return failed(item, 'undo', epoch, 'broken', 'InvariantBroken', 'The row is confirmed.');
  }
}

export async function seal(
  session: Session,
  items: readonly Item<Keyed>[],
): Promise<readonly Verdict<SealAnswer>[]> {
  const rows = await enterEmpty(session, items);
  return items.map((item) => {
    const { state } = rowOf(rows, item.key);
    const happened = state === 'acted' || state === 'confirmed';
    const fence = state === 'acted' ? 'duplicate' : state;
    return succeeded(item, 'seal', session.epoch, fence, { happened });
  });
}

/** Runs the business of a confirm or an undo on the acted rows. */
async function followUp(
  session: Session,
  spec: FollowUpSpec,
  acted: readonly Item<Keyed>[],
  op: 'confirm' | 'undo',
): Promise<void> {
  if (acted.length === 0) return;
  const events = await spec.effect(
    session.sql,
    acted.map(({ key }) => key),
  );
  await announce(
    session,
    acted.flatMap((item) => {
      const event = events?.get(item.key);
      if (events && !event) throw miscounted(spec.activity);
      return effectEvents(item, op, event, spec);
    }),
  );
}

const enterEmpty = (session: Session, items: readonly Item<Keyed>[]) =>
  enter(
    session,
    { state: 'empty', reserves: false },
    items.map(({ gid, branch }) => ({ gid, branch, contentHash: null, amounts: [] })),
  );
