/** Which waiting calls go together as a set, and how many of them with one round. */
import {
  batchItemsMax,
  setBytesMax,
  setRowsMax,
  type Verdict,
} from '../../../contracts/engine/verdict';
import type { ItemCall } from './lane';

/** One call that waits for its set, or for its answer. */
export interface Waiting {
  readonly call: ItemCall;
  readonly resolve: (verdict: Verdict<unknown>) => void;
  readonly reject: (error: unknown) => void;
}

/** Waiting calls by activity and kind of budget, in the order in which they were made. */
export type Queue = Map<string, Waiting[]>;

/** Bytes of the requests of one set, with its brackets. */
const bytesMax = setBytesMax - 64;
/**
 * Business rows that all sets of one round touch. All markers of a workflow task travel in one message of at most
 * 4 MiB, and verdicts with lines grow with the rows.
 */
const roundRowsMax = 2 * setRowsMax;

/**
 * Takes the sets of one round. They are sorted, so the commands do not depend on the order in which the transactions
 * have made their calls.
 */
export function takeSets(queue: Queue): readonly (readonly Waiting[])[] {
  const round = { rows: roundRowsMax };
  const sets = [...queue.keys()].sort().map((name) => {
    const { set, rest } = split(queue.get(name) ?? [], round);
    if (rest.length > 0) queue.set(name, rest);
    else queue.delete(name);
    return set;
  });
  return sets.filter((set) => set.length > 0);
}

/** One set of distinct keys within the bounds. A round has one call at least, or a large one would wait for ever. */
function split(waiting: readonly Waiting[], round: { rows: number }) {
  const set: Waiting[] = [];
  const rest: Waiting[] = [];
  const keys = new Set<string>();
  const room = { rows: setRowsMax, bytes: bytesMax };
  for (const one of [...waiting].sort(byKey)) {
    const [rows, bytes] = [rowsOf(one.call), bytesOf(one.call)];
    const isFirst = set.length === 0 && round.rows === roundRowsMax;
    const fits = rows <= Math.min(room.rows, round.rows) && bytes <= room.bytes;
    if (keys.has(one.call.request.key) || set.length === batchItemsMax || !(fits || isFirst)) {
      rest.push(one);
      continue;
    }
    keys.add(one.call.request.key);
    room.rows -= rows;
    room.bytes -= bytes;
    round.rows -= rows;
    set.push(one);
  }
  return { set, rest };
}

/** Calls of one key keep their order: the sort is stable. */
const byKey = ({ call: a }: Waiting, { call: b }: Waiting): number => {
  if (a.request.key === b.request.key) return 0;
  return a.request.key < b.request.key ? -1 : 1;
};

/** Bound of the business rows that a request may touch: its lines and one more, or three. */
const rowsOf = ({ request }: ItemCall): number =>
  'lines' in request && Array.isArray(request.lines) ? request.lines.length + 1 : 3;

/** Bytes of a request as JSON, with a comma. */
export const bytesOf = ({ request }: ItemCall): number =>
  new TextEncoder().encode(JSON.stringify(request)).length + 1;
