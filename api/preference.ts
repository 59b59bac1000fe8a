/** Longest wait of one request: a balancer's idle timeout is longer, a person's patience shorter. */
export const waitSecondsMax = 30;

/** What a caller wants to wait for: that it is decided, which some flows tell early, or its ending. */
export type Until = 'decided' | 'ending';

export interface Preference {
  /** At most `waitSecondsMax`. */
  readonly seconds: number | undefined;
  readonly until: Until;
  /** What is understood of it, for `Preference-Applied`; `undefined`: nothing. */
  readonly applied: string | undefined;
}

/**
 * How long a caller wants to wait (`Prefer: wait=N`, RFC 7240), and until what (`until=ending`). A preference that is not
 * understood counts as absent: that is what a preference is.
 */
export function preferenceOf(prefer: string | readonly string[] | undefined): Preference {
  const text = typeof prefer === 'string' ? prefer : prefer?.join(',');
  const parts = text?.split(/[,;]/) ?? [];
  const waits = parts.map((part) => /^\s*wait\s*=\s*"?(\d{1,9})"?\s*$/i.exec(part)?.[1]);
  const wait = waits.find((value) => value !== undefined);
  const seconds = wait === undefined ? undefined : Math.min(Number(wait), waitSecondsMax);
  const isUntilEnding = parts.some((part) => /^\s*until\s*=\s*"?ending"?\s*$/i.test(part));
  const applied = [
    ...(seconds === undefined ? [] : [`wait=${seconds}`]),
    ...(isUntilEnding ? ['until=ending'] : []),
  ];
  return {
    seconds,
    until: isUntilEnding ? 'ending' : 'decided',
    applied: applied.length === 0 ? undefined : applied.join(', '),
  };
}
