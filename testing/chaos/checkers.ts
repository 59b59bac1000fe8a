/**
 * What clients were told, and what the databases say when all is quiet, held against the promise. Each checker says how
 * often it has looked: one that never looked has shown nothing.
 */
import { flowNames } from '../../contracts/flows';
import { businessIdOf, partsOfBusinessId, partsOfGid } from '../../contracts/engine/ids';
import {
  earlyStatuses,
  runStates,
  isEnding,
  type RunState,
} from '../../contracts/engine/transaction';
import { callsOf, type Call, type HistoryLine } from './history';
import { firstUnexplained } from './linearizable';

/** What the databases say once nothing is under way any more. */
export interface Facts {
  readonly runs: readonly RunFact[];
  readonly stock: readonly { readonly sku: string; readonly total: number }[];
  /** The tokens in the order of their commits. */
  readonly tokens: readonly { readonly customer: string; readonly token: string }[];
  readonly transitions: readonly Transition[];
  readonly endings: readonly EndingWrite[];
}
export interface RunFact {
  readonly gid: string;
  readonly flow: string;
  readonly state: string;
  /** `null`: it has expired. */
  readonly idempotencyKey: string | null;
}
/** What one SQL transaction did to a fence row; `null`: no row. */
export interface Transition {
  readonly database: string;
  readonly gid: string;
  readonly branch: string;
  readonly from: string | null;
  readonly to: string | null;
}
/** A write of a run's row that set its ending, or changed it. */
export interface EndingWrite {
  readonly gid: string;
  readonly from: string;
  readonly to: string;
}

export const checkers = [
  'set of starts',
  'same key',
  'register',
  'ending',
  'bounded counter',
  'lock',
  'fence transitions',
  'one ending',
] as const;
export type Checker = (typeof checkers)[number];

export interface HistoryViolation {
  readonly checker: Checker;
  readonly gid?: string;
  readonly key?: string;
  readonly sentence: string;
}
export interface HistoryCheck {
  readonly violations: readonly HistoryViolation[];
  /** What each checker has looked at: keys, transactions, rows. */
  readonly evaluated: Readonly<Record<Checker, number>>;
}

/** @param facts read after the last of `lines` was written, at quiescence. */
export function checkHistory(lines: readonly HistoryLine[], facts: Facts): HistoryCheck {
  const calls = callsOf(lines);
  const found: Readonly<Record<Checker, Looked>> = {
    'set of starts': setOfStarts(calls, facts),
    'same key': sameKey(calls),
    register: register(calls),
    ending: toldEndings(calls, facts),
    'bounded counter': boundedCounter(calls, facts),
    lock: lockTokens(facts),
    'fence transitions': fenceTransitions(facts),
    'one ending': oneEnding(facts),
  };
  return {
    violations: checkers.flatMap((checker) =>
      found[checker].wrong.map((wrong) => ({ checker, ...wrong })),
    ),
    evaluated: Object.fromEntries(
      checkers.map((checker) => [checker, found[checker].looked]),
    ) as HistoryCheck['evaluated'], // Each of the checkers.
  };
}

type Wrong = Omit<HistoryViolation, 'checker'>;
interface Looked {
  readonly looked: number;
  readonly wrong: readonly Wrong[];
}

const isStart = ({ f }: Call): boolean => flowNames.some((flow) => flow === f);
const startsByKey = (calls: readonly Call[]) => grouped(calls.filter(isStart), ({ key }) => key);

/** The gid that a call is about. */
const gidOf = ({ asked, told }: Call): string | undefined => told.gid ?? asked.gid;

/**
 * Every start that was taken is there once, every refused one is not, and an unknown one is there once or not at all.
 */
function setOfStarts(calls: readonly Call[], { runs }: Facts): Looked {
  const starts = startsByKey(calls);
  const gids = new Set(runs.map(({ gid }) => gid));
  const runsByKey = grouped(runs, ({ idempotencyKey }) => idempotencyKey ?? '');
  const wrong = [...starts].flatMap(([key, ofKey]): readonly Wrong[] => {
    const asked = ofKey[0]?.asked.gid;
    const named = (sentence: string): Wrong => ({ key, ...(asked && { gid: asked }), sentence });
    const mayHave = ofKey.some(({ outcome }) => outcome !== 'fail');
    const there = runsByKey.get(key) ?? [];
    const isThere = there.length > 0 || (asked !== undefined && gids.has(asked));
    const lost = ofKey.flatMap(({ outcome, told }) =>
      outcome === 'ok' && told.gid !== undefined && !gids.has(told.gid)
        ? [named(`${told.gid} was accepted, and is lost.`)]
        : [],
    );
    return [
      ...lost,
      ...(there.length > 1 ? [named(`one key has started ${there.length} transactions.`)] : []),
      ...(!mayHave && isThere ? [named('was refused every time, and is there all the same.')] : []),
    ];
  });
  return { looked: starts.size, wrong };
}

/** All answers of one key name one transaction, the one that was asked for; what was told early is told alike. */
function sameKey(calls: readonly Call[]): Looked {
  const starts = startsByKey(calls);
  const wrong = [...starts].flatMap(([key, ofKey]): readonly Wrong[] => {
    const taken = ofKey.filter(({ outcome }) => outcome === 'ok');
    const named = new Set(taken.flatMap(({ asked, told }) => [asked.gid, told.gid]).filter(isText));
    const early = new Set(taken.map(({ told }) => told.answer).filter(isEarly));
    const [gid] = named;
    return [
      ...(named.size > 1 ? [{ key, sentence: `its answers name ${listed(named)}.` }] : []),
      ...(early.size > 1
        ? [{ key, ...(gid && { gid }), sentence: `was told early both ${listed(early)}.` }]
        : []),
    ];
  });
  return { looked: starts.size, wrong };
}

/**
 * Where a run's state may go between two looks at it. A run that is open may turn round, park and come back; one that
 * was taken is never merely accepted again, and one that has ended stays as it is.
 */
const reachable: Readonly<Record<RunState, readonly RunState[]>> = {
  accepted: runStates,
  running: ['running', 'undoing', 'parked', 'completed', 'compensated'],
  undoing: ['running', 'undoing', 'parked', 'completed', 'compensated'],
  parked: ['running', 'undoing', 'parked', 'completed', 'compensated'],
  completed: ['completed'],
  compensated: ['compensated'],
};
const absent = 'absent';

/**
 * The states told of one transaction, by starts, words and looks that overlap, are those of one row that goes forward.
 */
function register(calls: readonly Call[]): Looked {
  const byGid = grouped(
    calls.filter((call) => call.outcome !== 'fail' && gidOf(call) !== undefined),
    (call) => gidOf(call) ?? '',
  );
  const wrong = [...byGid].flatMap(([gid, ofGid]): readonly Wrong[] => {
    const transitions = ofGid.filter((call) => isStart(call) || toldState(call) !== undefined);
    const initial = ofGid.some(isStart) ? absent : 'accepted';
    const culprit = firstUnexplained(transitions, initial, afterCall);
    if (!culprit) return [];
    const told = transitions.map((call) => toldState(call)).filter(isText);
    const sentence = `${culprit.f} was told ${toldState(culprit) ?? 'nothing'}, which no order of ${told.join(', ')} explains.`;
    return [{ gid, sentence }];
  });
  return { looked: byGid.size, wrong };
}

function afterCall(now: string, call: Call): readonly string[] {
  const state = toldState(call);
  const before = now === absent && isStart(call) ? 'accepted' : now;
  if (!isRunState(before)) return [];
  if (state === undefined) return [before];
  return reachable[before].includes(state) ? [state] : [];
}

/** The state that an answer tells; early answers tell none. */
function toldState({ f, outcome, told }: Call): RunState | undefined {
  if (outcome !== 'ok') return undefined;
  const state = f === 'cancel' || f === 'review' || f === 'read' ? told.state : told.answer;
  return state !== undefined && isRunState(state) ? state : undefined;
}

/** Once a client was told an ending, every client is told the same one, and the row has it. */
function toldEndings(calls: readonly Call[], { runs }: Facts): Looked {
  const rows = new Map(runs.map(({ gid, state }) => [gid, state]));
  const told = new Map<string, Set<RunState>>();
  for (const call of calls) {
    const gid = gidOf(call);
    const state = toldState(call);
    if (gid === undefined || state === undefined || !isEnding(state)) continue;
    told.set(gid, (told.get(gid) ?? new Set()).add(state));
  }
  const wrong = [...told].flatMap(([gid, endings]): readonly Wrong[] => {
    const row = rows.get(gid) ?? absent;
    if (endings.size > 1) return [{ gid, sentence: `was told both ${listed(endings)}.` }];
    return [...endings].every((ending) => ending === row)
      ? []
      : [{ gid, sentence: `was told ${listed(endings)}; its row is ${row}.` }];
  });
  return { looked: told.size, wrong };
}

/** No SKU is sold beyond its total: by the answers to clients, after each line, and by the rows. */
function boundedCounter(calls: readonly Call[], { runs, stock }: Facts): Looked {
  const totals = new Map(stock.map(({ sku, total }) => [sku, total]));
  const uses = new Map(
    calls.flatMap(({ asked: { gid, uses: used } }) => (gid && used ? [[gid, used] as const] : [])),
  );
  const told = calls.flatMap((call) => (toldState(call) === 'completed' ? [gidOf(call)] : []));
  const stand = runs.flatMap(({ gid, state }) => (state === 'completed' ? [gid] : []));
  const wrong: Wrong[] = [];
  for (const gids of [told, stand]) {
    const sold = new Map<string, number>();
    for (const gid of new Set(gids)) {
      const use = gid === undefined ? undefined : uses.get(gid);
      if (gid === undefined || !use) continue;
      const sku = skuOf(gid, use.sku);
      const sum = (sold.get(sku) ?? 0) + use.quantity;
      const total = totals.get(sku) ?? 0;
      sold.set(sku, sum);
      if (sum > total) wrong.push({ gid, sentence: `sold ${sum} of ${sku}; there were ${total}.` });
    }
  }
  return { looked: stand.filter((gid) => uses.has(gid)).length, wrong };
}

/** Rows name a tenant's things with the tenant. */
function skuOf(gid: string, sku: string): string {
  const tenant = partsOfBusinessId(partsOfGid(gid)?.businessId ?? '')?.tenant;
  return tenant === undefined ? sku : businessIdOf(tenant, sku);
}

/** The token on a customer's row never goes back: a holder whose lease was lost writes nothing any more. */
function lockTokens({ tokens }: Facts): Looked {
  const newest = new Map<string, bigint>();
  const wrong = tokens.flatMap(({ customer, token }): readonly Wrong[] => {
    const before = newest.get(customer) ?? 0n;
    newest.set(customer, BigInt(token));
    return BigInt(token) < before
      ? [{ sentence: `${customer} went from token ${before} back to ${token}.` }]
      : [];
  });
  return { looked: tokens.length, wrong };
}

/** What a SQL transaction may do to a fence row, from → to (docs/guarantees.md). */
const lawful: ReadonlySet<string> = new Set([
  'none → acted',
  'none → refused',
  'none → empty',
  'none → none',
  'acted → confirmed',
  'acted → undone',
]);

function fenceTransitions({ transitions }: Facts): Looked {
  const wrong = transitions.flatMap(({ database, gid, branch, from, to }): readonly Wrong[] => {
    const moved = `${from ?? 'none'} → ${to ?? 'none'}`;
    return lawful.has(moved) ? [] : [{ gid, sentence: `${branch} in ${database} went ${moved}.` }];
  });
  return { looked: transitions.length, wrong };
}

/** The ending of a run is written once, to a run that had none. */
function oneEnding({ endings }: Facts): Looked {
  const byGid = grouped(endings, ({ gid }) => gid);
  const wrong = [...byGid].flatMap(([gid, writes]): readonly Wrong[] => {
    const [first] = writes;
    const isFresh = first !== undefined && isRunState(first.from) && !isEnding(first.from);
    const all = writes.map(({ from, to }) => `${from} → ${to}`).join(', ');
    return writes.length === 1 && isFresh ? [] : [{ gid, sentence: `its ending went ${all}.` }];
  });
  return { looked: byGid.size, wrong };
}

const isText = (value: string | undefined): value is string => value !== undefined;
const isEarly = (answer: string | undefined): answer is string =>
  earlyStatuses.some((early) => early === answer);
const isRunState = (state: string): state is RunState => runStates.some((known) => known === state);
const listed = (words: Iterable<string>): string => [...words].join(' and ');

function grouped<Item>(items: readonly Item[], by: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) groups.set(by(item), [...(groups.get(by(item)) ?? []), item]);
  return groups;
}
