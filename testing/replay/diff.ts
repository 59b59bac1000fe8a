import type { AskedCommand, RecordedCommand } from './recorded-commands';

/** How far today's code has come in a history, and how the SDK judged it. */
export interface Replayed {
  readonly recorded: readonly RecordedCommand[];
  readonly asked: readonly AskedCommand[];
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
  const only = (is: (command: RecordedCommand) => boolean): Replayed => ({
    ...replayed,
    recorded: recorded.filter(is),
    asked: asked.filter(is),
  });
  const unknown = /no such function is exported/.test(refusal ?? '');
  if (unknown) return "today's code has no workflow of this type any more";
  // Their markers come when they have ended: among the other commands they have no place of their own.
  const ofLocals = firstDifference(only(isLocal));
  const ofActs = firstDifference(only(isAct));
  const ofRest = firstDifference(only((command) => !isLocal(command)));
  // What is shown at each step, and the ending, move with the steps: the steps themselves say more.
  const differences = [ofLocals?.kind === 'moved' ? ofLocals : undefined, ofActs, ofLocals, ofRest]
    .filter((difference) => difference !== undefined)
    .sort((one, other) => saysLess(one) - saysLess(other));
  if (differences[0]) return differences[0].sentence;
  if (refusal === undefined) return undefined;
  return `${afterLast(asked)}today's code no longer fits: ${withoutNumbers(refusal)}`;
}

const isAct = ({ kind }: RecordedCommand): boolean =>
  ['activity', 'timer', 'child', 'change'].includes(kind);
const isLocal = ({ kind }: RecordedCommand): boolean => kind === 'local';
const isCall = ({ kind }: RecordedCommand): boolean => kind === 'activity' || kind === 'local';

/**
 * Where the SDK stopped the code, calls are missing that the code would make. What the row of the run is told follows
 * from what participants are asked.
 */
function saysLess({ kind, name }: Difference): number {
  if (kind === 'missing') return 2;
  return kind === 'changed' && name.startsWith('accord.') ? 1 : 0;
}

interface Difference {
  /** Name of the activity, where it is one. */
  readonly name: string;
  readonly sentence: string;
  /** `missing`: today's code asks for less. `moved`: for something else. `changed`: for the same with another content. */
  readonly kind: 'missing' | 'moved' | 'changed';
}

function firstDifference({ recorded, mayAskMore, ...replayed }: Replayed): Difference | undefined {
  const asked = withoutWithdrawn(replayed.asked, recorded);
  const at = recorded.findIndex((each, index) => !isSame(each, answered(each, asked[index])));
  if (at === -1) {
    const more = asked[recorded.length];
    if (more === undefined || mayAskMore) return undefined;
    const sentence = `${afterLast(recorded)}the recording asks for nothing more; today's code ${told(more)}`;
    return { sentence, kind: 'moved', name: more.name };
  }
  const was = recorded[at];
  const is = asked[at];
  if (was === undefined) return undefined; // Never: it was found there.
  if (is === undefined) {
    const sentence = `the recording ${toldAt(recorded, at)}; today's code does not`;
    return { sentence, kind: 'missing', name: was.name };
  }
  if (was.kind !== is.kind || was.name !== is.name || was.step !== is.step) {
    const sentence = `the recording ${toldAt(recorded, at)}; today's code ${told(is)}`;
    return { sentence, kind: 'moved', name: was.name };
  }
  const [path, before, now] = firstChange(was.content, is.content);
  const what = path === '' ? '' : ` with ${path}`;
  const sentence = `the recording ${toldAt(recorded, at)}${what} ${shown(before)}; today's code has ${shown(now)}`;
  return { sentence, kind: 'changed', name: was.name };
}

/** Without what was taken back at once, unless it stands in the recording. */
function withoutWithdrawn(
  asked: readonly AskedCommand[],
  recorded: readonly RecordedCommand[],
): readonly RecordedCommand[] {
  const left: RecordedCommand[] = [];
  for (const { isWithdrawn, ...command } of asked)
    if (!isWithdrawn || isSame(recorded[left.length], command)) left.push(command);
  return left;
}

/** A local activity that failed left no digest: any content is the one that was asked for. */
const answered = (
  was: RecordedCommand,
  is: RecordedCommand | undefined,
): RecordedCommand | undefined =>
  is && was.kind === 'local' && was.content === undefined ? { ...is, content: undefined } : is;

function toldAt(asks: readonly RecordedCommand[], at: number): string {
  const ask = asks[at];
  if (!ask) return 'ends';
  if (!isCall(ask)) return `${told(ask)}${afterLast(asks.slice(0, at), ' ', '')}`;
  const calls = asks.slice(0, at).filter(isCall).length;
  return `${told(ask)} ${ordinals[calls] ?? `${calls + 1}th`}`;
}

function told({ kind, name, step, content }: RecordedCommand): string {
  switch (kind) {
    case 'activity':
    case 'local':
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
  const last = asks.findLast(isCall);
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
