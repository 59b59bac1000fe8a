/** What the rounds of a comparison say. Pure. */

/** One arm in one round. */
export interface Turn {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMsPerTransaction: number;
}

/** The lower one of the two in the middle where their number is even: a value that was seen. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
}

/** Each figure is the median of its own: they may be of different rounds. */
export function medianTurn(turns: readonly Turn[]): Turn {
  const of = (figure: keyof Turn): number => medianOf(turns.map((turn) => turn[figure]));
  return {
    perSecond: of('perSecond'),
    p50: of('p50'),
    p99: of('p99'),
    cpuMsPerTransaction: of('cpuMsPerTransaction'),
  };
}

export type Ratios = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * How many times as many transfers a second each arm of ours does as each other one: `ratios['accord-single'].restate`.
 * An arm that did nothing has no ratio.
 */
export function ratiosOf(
  arms: readonly { readonly name: string; readonly perSecond: number }[],
  isOurs: (name: string) => boolean,
): Ratios {
  const others = arms.filter(({ name, perSecond }) => !isOurs(name) && perSecond > 0);
  const ours = arms.filter(({ name }) => isOurs(name));
  return Object.fromEntries(
    ours.map(({ name, perSecond }) => [
      name,
      Object.fromEntries(others.map((other) => [other.name, rounded(perSecond / other.perSecond)])),
    ]),
  );
}

const rounded = (value: number): number => Number(value.toPrecision(3));

/** The arms of a round, in its order: each round begins with another one, so that none is always the first. */
export const orderOf = <One>(arms: readonly One[], round: number): readonly One[] => {
  const first = round % Math.max(1, arms.length);
  return [...arms.slice(first), ...arms.slice(0, first)];
};
