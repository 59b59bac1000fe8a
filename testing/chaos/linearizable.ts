/**
 * Whether calls that overlapped can be put into one order that a single register would have allowed. The search of Wing
 * and Gong, with Lowe's two cuts: time is walked through once ("just in time"), and what leads to the same register with
 * the same calls still open is looked at once. (G. Lowe, "Testing for linearizability", 2017.)
 */
export interface Timed {
  readonly from: number;
  /** `Infinity`: it may take effect at any later time, or never. */
  readonly to: number;
}

/** @returns the registers that the call may leave behind; none where it cannot happen at this one. */
export type Step<Call> = (register: string, call: Call) => readonly string[];

/** One way things may have gone so far: the register, and the open calls that have taken effect already. */
interface Way<Call> {
  readonly register: string;
  readonly taken: ReadonlySet<Call>;
}

/** @returns the first call that no order explains; `undefined`: there is an order for all of them. */
export function firstUnexplained<Call extends Timed>(
  calls: readonly Call[],
  initial: string,
  step: Step<Call>,
): Call | undefined {
  const open = new Set<Call>();
  let ways: readonly Way<Call>[] = [{ register: initial, taken: new Set() }];
  for (const { call, isReturn } of momentsOf(calls)) {
    if (!isReturn) {
      open.add(call);
      continue;
    }
    const explained = everyWay(ways, [...open], step).filter(({ taken }) => taken.has(call));
    open.delete(call);
    ways = unique(
      explained.map(({ register, taken }) => ({ register, taken: without(taken, call) })),
      [...open],
    );
    if (ways.length === 0) return call;
  }
  return undefined;
}

function momentsOf<Call extends Timed>(calls: readonly Call[]) {
  const moments = calls.flatMap((call) => [
    { call, at: call.from, isReturn: false },
    ...(call.to === Infinity ? [] : [{ call, at: call.to, isReturn: true }]),
  ]);
  return moments.sort((one, other) => one.at - other.at);
}

/** These ways, and each that comes of them when open calls take effect, in any order. */
function everyWay<Call>(
  ways: readonly Way<Call>[],
  open: readonly Call[],
  step: Step<Call>,
): readonly Way<Call>[] {
  const all = [...ways];
  const seen = new Set(all.map((way) => nameOf(way, open)));
  for (const way of all) {
    for (const call of open) {
      if (way.taken.has(call)) continue;
      for (const register of step(way.register, call)) {
        const next = { register, taken: new Set([...way.taken, call]) };
        const name = nameOf(next, open);
        if (seen.has(name)) continue;
        seen.add(name);
        all.push(next); // Walked through later in this very loop.
      }
    }
  }
  return all;
}

function unique<Call>(ways: readonly Way<Call>[], calls: readonly Call[]): readonly Way<Call>[] {
  return [...new Map(ways.map((way) => [nameOf(way, calls), way])).values()];
}

const nameOf = <Call>({ register, taken }: Way<Call>, calls: readonly Call[]): string =>
  `${register} ${calls.map((call) => (taken.has(call) ? '1' : '0')).join('')}`;

function without<Call>(calls: ReadonlySet<Call>, call: Call): ReadonlySet<Call> {
  const rest = new Set(calls);
  rest.delete(call);
  return rest;
}
