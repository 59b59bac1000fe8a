import type { RecordedCommand } from './recorded-commands';

/** How far today's code has come in a history, and how the SDK judged it. */
export interface Replayed {
  readonly recorded: readonly RecordedCommand[];
  readonly asked: readonly RecordedCommand[];
  /** The history ends in the middle: the code may ask for more than is written. */
  readonly mayAskMore: boolean;
  /** Why the SDK refused. */
  readonly refusal: string | undefined;
}

/**
 * @returns what moved, in the words of the business; `undefined`: today's code asks for the very same.
 */
export function describeDifference(replayed: Replayed): string | undefined {
  const { recorded, asked, refusal } = replayed;
  // What is shown at each step moves with the step: the step itself says more.
  const acts = { ...replayed, recorded: recorded.filter(isAct), asked: asked.filter(isAct) };
  const unknown = /no such function is exported/.test(refusal ?? '');
  if (unknown) return "today's code has no workflow of this type any more";
  const difference = firstDifference(acts) ?? firstDifference(replayed);
  if (difference !== undefined) return difference;
  if (refusal === undefined) return undefined;
  return `${afterLast(acts.asked)}today's code no longer fits: ${withoutNumbers(refusal)}`;
}

const isAct = ({ kind }: RecordedCommand): boolean => kind !== 'shown';

function firstDifference({ recorded, asked, mayAskMore }: Replayed): string | undefined {
  const at = recorded.findIndex((each, index) => !isSame(each, asked[index]));
  if (at === -1) {
    const more = asked[recorded.length];
    if (more === undefined || mayAskMore) return undefined;
    return `${afterLast(recorded)}the recording asks for nothing more; today's code ${told(more)}`;
  }
  const was = recorded[at];
  const is = asked[at];
  if (was === undefined) return undefined; // Never: it was found there.
  if (is === undefined) return `the recording ${toldAt(recorded, at)}; today's code does not`;
  if (was.kind !== is.kind || was.name !== is.name || was.step !== is.step) {
    return `the recording ${toldAt(recorded, at)}; today's code ${told(is)}`;
  }
  const [path, before, now] = firstChange(was.content, is.content);
  const what = path === '' ? '' : ` with ${path}`;
  return `the recording ${toldAt(recorded, at)}${what} ${shown(before)}; today's code has ${shown(now)}`;
}

function toldAt(asks: readonly RecordedCommand[], at: number): string {
  const ask = asks[at];
  if (!ask) return 'ends';
  if (ask.kind !== 'activity') return `${told(ask)}${afterLast(asks.slice(0, at), ' ', '')}`;
  const calls = asks.slice(0, at).filter(({ kind }) => kind === 'activity').length;
  return `${told(ask)} ${ordinals[calls] ?? `${calls + 1}th`}`;
}

function told({ kind, name, step, content }: RecordedCommand): string {
  switch (kind) {
    case 'activity':
      return `calls ${name}${inStep(step)}`;
    case 'timer':
      return `waits ${Number(content) / 1_000} s`;
    case 'child':
      return `starts ${name}`;
    case 'shown':
      return `shows ${shown(content)}`;
    case 'change':
      return `takes the change ${name}`;
    case 'result':
      return `ends${outcomeIn(content)}`;
    case 'failure':
      return `fails with ${name}`;
    case 'cancelled':
      return 'ends cancelled';
    case 'continued':
      return 'goes on in a new run';
  }
}

const inStep = (step: string | undefined): string => (step === undefined ? '' : ` (step ${step})`);

function outcomeIn(content: unknown): string {
  const [result] = Array.isArray(content) ? (content as unknown[]) : [];
  const has = typeof result === 'object' && result !== null && 'outcome' in result;
  return has ? ` ${String(result.outcome)}` : '';
}

function afterLast(asks: readonly RecordedCommand[], before = '', behind = ' '): string {
  const last = asks.findLast(({ kind }) => kind === 'activity');
  return last ? `${before}after ${last.name}${inStep(last.step)}${behind}` : '';
}

const ordinals = [
  'first',
  'second',
  'third',
  'fourth',
  'fifth',
  'sixth',
  'seventh',
  'eighth',
  'ninth',
  'tenth',
];

/** The first place where two values differ, as a path. */
function firstChange(
  was: unknown,
  is: unknown,
): readonly [path: string, was: unknown, is: unknown] {
  if (!isTree(was) || !isTree(is)) return ['', was, is];
  for (const key of new Set([...Object.keys(was), ...Object.keys(is)])) {
    if (isSame(was[key], is[key])) continue;
    const [path, before, now] = firstChange(was[key], is[key]);
    return [path === '' ? key : `${key}.${path}`, before, now];
  }
  return ['', was, is];
}

/** Compares JSON values only. Their arrays may come from another sandbox. */
function isSame(one: unknown, other: unknown): boolean {
  if (!isTree(one) || !isTree(other)) return Object.is(one, other);
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    [...keys].every((key) => isSame(one[key], other[key]))
  );
}

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

const shownMax = 120;

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}

/** The SDK's own words, for what has no step of its own; its event numbers say nothing to anybody. */
const withoutNumbers = (refusal: string): string =>
  refusal
    .replace(/^.*Details: /, '')
    .replace(/\bid: \d+, /g, '')
    .replace(/\s+/g, ' ')
    .slice(0, 300);
