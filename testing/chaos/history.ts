/**
 * Requests of clients and the answers to them, one JSON line each, in the order in which they happened. The line of a
 * call is written before the call is sent. So a client that is killed leaves a call of unknown outcome, never a call
 * without a line.
 */
import { flowNames } from '../../contracts/flows';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

export const kinds = [...flowNames, 'cancel', 'review', 'read'] as const;
/** A start of a flow, a cancel or review of a transaction, or a read of it. */
export type Kind = (typeof kinds)[number];

const outcomes = ['ok', 'fail', 'unknown'] as const;
/**
 * `ok`: it was taken. `fail`: it surely did not happen, and never will. `unknown`: a timeout, a reset, a 5xx behind the
 * request: it may take effect at any later time, or not at all.
 */
export type Outcome = (typeof outcomes)[number];

const valueSchema = z.looseObject({
  /** In an invoke: the gid that the call should lead to. In an answer: the gid that it named. */
  gid: z.string().optional(),
  /** In a start: what it takes of a stock that may run out. */
  uses: z.object({ sku: z.string(), quantity: z.number() }).optional(),
  status: z.number().optional(),
  /** In the answer to an accepted start: the early status or the state. */
  answer: z.string().optional(),
  /** In the answer to a read, cancel or review: the state. */
  state: z.string().optional(),
});
export type Value = z.infer<typeof valueSchema>;

const lineSchema = z.object({
  /** Number of the call. Its invoke and its outcome have the same one. */
  n: z.number(),
  proc: z.string(),
  f: z.enum(kinds),
  /** The idempotency key of a start, cancel or review; the gid of a read. */
  key: z.string(),
  type: z.enum(['invoke', ...outcomes]),
  value: valueSchema,
  /** Milliseconds on the clock of one process, which never goes back. */
  t: z.number(),
});
export type HistoryLine = z.infer<typeof lineSchema>;

/** A call under way. It has one outcome; without one it is unknown. */
export type Operation = Readonly<Record<Outcome, (value: Value) => void>>;

export interface History {
  invoke(f: Kind, key: string, value: Value, proc: string): Operation;
  /** Calls so far: those that were taken, and all by kind. */
  readonly counts: { readonly taken: number; readonly byKind: ReadonlyMap<Kind, number> };
  close(): void;
}

export function openHistory(file: string): History {
  const descriptor = openSync(file, 'w');
  let calls = 0;
  let taken = 0;
  const byKind = new Map<Kind, number>();
  const write = (line: HistoryLine): void => {
    writeSync(descriptor, `${JSON.stringify(line)}\n`);
  };
  return {
    invoke(f, key, value, proc) {
      const call = { n: (calls += 1), proc, f, key };
      byKind.set(f, (byKind.get(f) ?? 0) + 1);
      const tell = (type: HistoryLine['type']) => (told: Value) =>
        write({ ...call, type, value: told, t: performance.now() });
      tell('invoke')(value);
      const ok = (told: Value): void => {
        taken += 1;
        tell('ok')(told);
      };
      return { ok, fail: tell('fail'), unknown: tell('unknown') };
    },
    get counts() {
      return { taken, byKind };
    },
    close: () => closeSync(descriptor),
  };
}

/** @throws where a line is none of a history. One that was cut off at the end, by the writer's death, is left out. */
export function readHistory(file: string): readonly HistoryLine[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => lineSchema.parse(JSON.parse(line)));
}

/** A call with what came of it, at its place among the lines. */
export interface Call {
  readonly f: Kind;
  readonly key: string;
  /** The call as it was asked, and its answer. */
  readonly asked: Value;
  readonly told: Value;
  readonly outcome: Outcome;
  readonly from: number;
  /** `Infinity`: it may take effect at any later time. */
  readonly to: number;
}

export function callsOf(lines: readonly HistoryLine[]): readonly Call[] {
  const ends = new Map<number, { readonly line: HistoryLine; readonly at: number }>();
  for (const [at, line] of lines.entries()) {
    if (line.type === 'invoke') continue;
    if (ends.has(line.n)) throw new Error(`Call ${line.n} has two outcomes.`);
    ends.set(line.n, { line, at });
  }
  return lines.flatMap(({ n, f, key, type, value }, from) => {
    if (type !== 'invoke') return [];
    const end = ends.get(n);
    const outcome = end ? outcomeOf(end.line.type) : 'unknown';
    const to = end && outcome !== 'unknown' ? end.at : Infinity;
    return [{ f, key, asked: value, told: end?.line.value ?? {}, outcome, from, to }];
  });
}

/** A killed client leaves an invoke without an outcome: it is unknown. */
const outcomeOf = (type: HistoryLine['type']): Outcome => (type === 'invoke' ? 'unknown' : type);
