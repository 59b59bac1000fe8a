/** What the samples of a load say. Pure: the same samples give the same figures. */
import { latencyOf, type Latency } from '../latency';
import type { Sample } from './generator';

/** What is measured: from the end of the warm-up until nothing more was sent. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface LoadFigures {
  /** Transactions that were due in the span. */
  readonly offered: number;
  readonly offeredPerSecond: number;
  /** Transactions that ended in the span, whenever they were due. */
  readonly ended: number;
  readonly perSecond: number;
  /** Those that were due in the span and came to their ending: from then until the caller knew the ending. */
  readonly ending: Latency;
  /** The same, until the caller knew that it is accepted. */
  readonly accepted: Latency;
  /** How many of all that were due in the span came to which ending. */
  readonly endings: Readonly<Record<string, number>>;
  /** Calls that had no answer, or one that asked to come again. */
  readonly retries: number;
}

const settled = new Set(['completed', 'compensated', 'parked']);
export const hasEnded = ({ ending }: Pick<Sample, 'ending'>): boolean => settled.has(ending);

export function figuresOf(samples: readonly Sample[], { fromMs, toMs }: Span): LoadFigures {
  const seconds = (toMs - fromMs) / 1_000;
  const isWithin = (ms: number): boolean => ms >= fromMs && ms < toMs;
  const due = samples.filter(({ dueMs }) => isWithin(dueMs));
  const ended = samples.filter((sample) => hasEnded(sample) && isWithin(sample.endedMs)).length;
  const settledOnes = due.filter(hasEnded);
  return {
    offered: due.length,
    offeredPerSecond: due.length / seconds,
    ended,
    perSecond: ended / seconds,
    ending: latencyOf(settledOnes.map(({ endedMs, dueMs }) => endedMs - dueMs)),
    accepted: latencyOf(
      due.flatMap(({ acceptedMs, dueMs }) => (acceptedMs === undefined ? [] : acceptedMs - dueMs)),
    ),
    endings: countOf(due.map(({ ending }) => ending)),
    retries: due.reduce((all, { retries }) => all + retries, 0),
  };
}

export function countOf(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries(counts);
}

/** One stretch of the load's time. */
export interface Moment {
  /** Its middle, in seconds from the beginning. */
  readonly atSeconds: number;
  readonly offeredPerSecond: number;
  readonly endedPerSecond: number;
  /** Counts those that were due in it; `undefined`: none ended. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

const momentsMost = 120;

/** The load over its time, warm-up and all, in stretches of whole seconds. */
export function momentsOf(samples: readonly Sample[]): readonly Moment[] {
  const lastMs = samples.reduce((most, { endedMs }) => Math.max(most, endedMs), 0);
  const stretch = Math.max(1, Math.ceil(lastMs / 1_000 / momentsMost));
  const stretches = Math.max(1, Math.ceil((lastMs + 1) / 1_000 / stretch));
  const latencies = Array.from({ length: stretches }, (): number[] => []);
  const offered = new Array<number>(stretches).fill(0);
  const ended = new Array<number>(stretches).fill(0);
  const indexOf = (ms: number): number => Math.min(stretches - 1, Math.floor(ms / 1_000 / stretch));
  for (const sample of samples) {
    const due = indexOf(sample.dueMs);
    offered[due] = (offered[due] ?? 0) + 1;
    if (!hasEnded(sample)) continue;
    const end = indexOf(sample.endedMs);
    ended[end] = (ended[end] ?? 0) + 1;
    latencies[due]?.push(sample.endedMs - sample.dueMs);
  }
  return latencies.map((ms, at) => {
    const { count, p50, p99 } = latencyOf(ms);
    return {
      atSeconds: (at + 0.5) * stretch,
      offeredPerSecond: (offered[at] ?? 0) / stretch,
      endedPerSecond: (ended[at] ?? 0) / stretch,
      p50: count === 0 ? undefined : p50,
      p99: count === 0 ? undefined : p99,
    };
  });
}
