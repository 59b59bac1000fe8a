/** `act`, the verb of steps and pivots. The first delivery runs the business; every later one gets its answer. */
import { isProtocolFailure, type ItemFailure } from '../../contracts/engine/failures';
import type { StepKey } from '../../contracts/engine/ids';
import type { FenceVerdict, Keyed, Verdict } from '../../contracts/engine/verdict';
import {
  lockRows,
  moveRows,
  removeRows,
  storeAnswers,
  type Answer,
  type Effect,
  type FenceRow,
} from './rows';
import {
  announce,
  byEffect,
  effectEvents,
  enter,
  failed,
  isOwn,
  miscounted,
  rowOf,
  succeeded,
  type Session,
} from './session';
import { contentHashOf, effectNamed, type Item } from './fenced-set';
import type { ActSpec, Decided, OutboxEvent, SqlTransaction } from './participant';

export async function act<Request extends Keyed, Result>(
  session: Session,
  spec: ActSpec<Request, Result>,
  items: readonly Item<Request>[],
): Promise<readonly Verdict<Result>[]> {
  const hashes = new Map(
    items.map(({ key, request }) => [key, contentHashOf(spec.content(request))]),
  );
  const entries = items.map(({ gid, branch, key, request }) => ({
    gid,
    branch,
    contentHash: hashes.get(key) ?? null,
    amounts: spec.amounts(request),
  }));
  const rows = await enter(session, { state: 'acted', reserves: spec.reserves }, entries);
  const fresh = items.filter(({ key }) => isOwn(rowOf(rows, key), session));
  const verdicts = items
    .filter(({ key }) => !isOwn(rowOf(rows, key), session))
    .map((item) =>
      repeatedAct(spec, item, rowOf(rows, item.key), hashes.get(item.key), session.epoch),
    );
  return fresh.length === 0 ? verdicts : [...verdicts, ...(await actFirst(session, spec, fresh))];
}

/** The answer to an act whose row existed before. */
function repeatedAct<Request extends Keyed, Result>(
  spec: ActSpec<Request, Result>,
  item: Item<Keyed>,
  row: FenceRow,
  hash: Buffer | undefined,
  epoch: number,
): Verdict<Result> {
  if (row.contentHash && !(hash && row.contentHash.equals(hash))) {
    return failed(
      item,
      'act',
      epoch,
      'conflict',
      'IdempotencyConflict',
      'This key came before with other content.',
    );
  }
  switch (row.state) {
    case 'acted':
    case 'confirmed':
      // The same spec has written it, so it has this type. JSON keeps the result unchanged.
      return succeeded(item, 'act', epoch, 'duplicate', row.result as Result);
    case 'refused':
      return storedRefusal(spec, item, row, epoch);
    case 'undone':
    case 'empty':
      return failed(
        item,
        'act',
        epoch,
        'fenced',
        'Fenced',
        `The row is ${row.state}: its undo came first.`,
      );
  }
}

/** A stored refusal that this build no longer declares becomes InvariantBroken: a person must decide. */
function storedRefusal(
  { activity, refusals }: Pick<ActSpec<never, unknown>, 'activity' | 'refusals'>,
  item: Effect,
  { reason, result }: FenceRow,
  epoch: number,
): Verdict<never> {
  if (reason === null || !refusals.includes(reason)) {
    const detail = undeclared(activity, reason ?? 'nothing');
    return failed(item, 'act', epoch, 'broken', 'InvariantBroken', detail);
  }
  const isTold = typeof result === 'object' && result !== null && 'detail' in result;
  return failed(item, 'act', epoch, 'refused', reason, isTold ? String(result.detail) : '');
}

const undeclared = (activity: string, refusal: string): string =>
  `${activity} refused with ${refusal}, which it does not declare.`;

/** First deliveries of acts. It locks the consumed rows first, runs the business, and then stores its decisions. */
async function actFirst<Request extends Keyed, Result>(
  session: Session,
  spec: ActSpec<Request, Result>,
  items: readonly Item<Request>[],
): Promise<readonly Verdict<Result>[]> {
  const { able, verdicts, fenced, broken } = await sortOutConsumed<Request, Result>(
    session,
    spec,
    items,
  );
  const decisions = able.length === 0 ? [] : await decide(session.sql, spec, able);
  const keeps = (decided: Decided<Result, OutboxEvent>): boolean =>
    decided.ok || (spec.refusalsAre === 'recorded' && spec.refusals.includes(decided.failure));
  const kept = decisions.filter(({ decided }) => keeps(decided));
  const dropped = decisions.filter(({ decided }) => !keeps(decided));
  const accepted = decisions.flatMap(({ item, decided }) =>
    decided.ok ? [{ item, decided }] : [],
  );

  await storeAnswers(
    session.sql,
    kept.flatMap(({ item, decided }) => answerToStore(item, decided)),
  );
  await moveRows(session.sql, fenced, 'empty');
  await removeRows(session.sql, [...dropped.map(({ item }) => item), ...broken].sort(byEffect));
  const consumes = spec.consumes;
  const consumed = consumes
    ? accepted.map(({ item }) => effectNamed(consumes.keyOf(item.request)))
    : [];
  await moveRows(session.sql, consumed, 'confirmed');

  await announce(session, [
    ...accepted.flatMap(({ item, decided }) => effectEvents(item, 'act', decided.event, spec)),
    ...(consumes
      ? accepted.flatMap(({ item: { request } }) =>
          effectEvents(
            effectNamed(consumes.keyOf(request)),
            'confirm',
            consumes.event?.(request),
            spec,
          ),
        )
      : []),
  ]);
  return [
    ...verdicts,
    ...decisions.map(({ item, decided }) => firstVerdict(item, decided, session.epoch)),
  ];
}

/** An empty answer needs no write: the row already means it. */
function answerToStore<Result>(
  item: Effect,
  decided: Decided<Result, OutboxEvent>,
): readonly Answer[] {
  const { gid, branch } = item;
  if (!decided.ok) {
    const { failure, detail } = decided;
    return [{ gid, branch, state: 'refused', reason: failure, result: { detail } }];
  }
  if (decided.result === null) return [];
  return [{ gid, branch, state: 'acted', reason: null, result: decided.result }];
}

function firstVerdict<Result>(
  item: Effect,
  decided: Decided<Result, OutboxEvent>,
  epoch: number,
): Verdict<Result> {
  if (decided.ok) return succeeded(item, 'act', epoch, 'first', decided.result);
  const { failure, detail } = decided;
  return failed(item, 'act', epoch, fenceVerdictOf(failure), failure, detail);
}

function fenceVerdictOf(failure: ItemFailure): FenceVerdict {
  if (failure === 'NotYet') return 'notYet';
  return failure === 'InvariantBroken' ? 'broken' : 'refused';
}

interface Decision<Request extends Keyed, Result> {
  readonly item: Item<Request>;
  readonly decided: Decided<Result, OutboxEvent>;
}

/** @throws if the business does not give exactly one answer to each request: no answer is usable then. */
async function decide<Request extends Keyed, Result>(
  sql: SqlTransaction,
  spec: ActSpec<Request, Result>,
  items: readonly Item<Request>[],
): Promise<readonly Decision<Request, Result>[]> {
  const answers = await spec.effect(
    sql,
    items.map(({ request }) => request),
  );
  const byKey = new Map(answers.map((decided) => [decided.key, decided]));
  if (answers.length !== items.length) throw miscounted(spec.activity);
  return items.map((item) => {
    const decided = byKey.get(item.key);
    if (!decided) throw miscounted(spec.activity);
    return { item, decided: asDeclared(spec, decided) };
  });
}

/** A name that the operation does not declare is no refusal, and must not lead to undo. */
function asDeclared<Request extends Keyed, Result>(
  { activity, refusals }: ActSpec<Request, Result>,
  decided: Decided<Result, OutboxEvent>,
): Decided<Result, OutboxEvent> {
  if (decided.ok) return decided;
  const { key, failure } = decided;
  if (failure === 'NotYet' || isProtocolFailure(failure) || refusals.includes(failure)) {
    return decided;
  }
  return { key, ok: false, failure: 'InvariantBroken', detail: undeclared(activity, failure) };
}

/** First deliveries of acts, sorted by the state of the row that they consume. */
interface SortedOut<Request extends Keyed, Result> {
  readonly able: readonly Item<Request>[];
  /** Verdicts on the other acts. */
  readonly verdicts: readonly Verdict<Result>[];
  /** The consumed act was undone. Their own rows become empty, so later deliveries get the same answer. */
  readonly fenced: readonly Item<Request>[];
  /** The consumed row does not exist. Their own rows are removed. */
  readonly broken: readonly Item<Request>[];
}

async function sortOutConsumed<Request extends Keyed, Result>(
  { sql, epoch, delivery }: Session,
  { consumes }: ActSpec<Request, Result>,
  items: readonly Item<Request>[],
): Promise<SortedOut<Request, Result>> {
  if (!consumes) return { able: items, verdicts: [], fenced: [], broken: [] };
  const keys = new Map(items.map((item) => [item.key, consumes.keyOf(item.request)]));
  const effects = [...new Set(keys.values())].map(effectNamed).sort(byEffect);
  const rows = await lockRows(sql, effects, delivery.issuedAt);
  const [able, fenced, broken]: Item<Request>[][] = [[], [], []];
  const verdicts: Verdict<Result>[] = [];
  const taken = new Set<StepKey>();
  for (const item of items) {
    const key = keys.get(item.key) ?? '';
    const state = rows.get(key)?.state ?? 'missing';
    if (state === 'acted' && !taken.has(key)) {
      taken.add(key); // A row is consumed only once, also within a set.
      able?.push(item);
    } else if (state === 'undone' || state === 'empty') {
      fenced?.push(item);
      verdicts.push(failed(item, 'act', epoch, 'fenced', 'Fenced', `${key} is ${state}.`));
    } else {
      broken?.push(item);
      const found = state === 'acted' ? 'consumed by another request of the set' : state;
      verdicts.push(failed(item, 'act', epoch, 'broken', 'InvariantBroken', `${key} is ${found}.`));
    }
  }
  return { able: able ?? [], verdicts, fenced: fenced ?? [], broken: broken ?? [] };
}
