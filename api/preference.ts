/** Longest wait of one request: a balancer's idle timeout is longer, a person's patience shorter. */
export const waitSecondsMax = 30;

/**
 * Seconds that a caller wants to wait (`Prefer: wait=N`, RFC 7240), at most `waitSecondsMax`. A preference that is not
 * understood counts as absent: that is what a preference is.
 */
export function waitSecondsOf(prefer: string | readonly string[] | undefined): number | undefined {
  const text = typeof prefer === 'string' ? prefer : prefer?.join(',');
  const seconds = text
    ?.split(/[,;]/)
    .map((part) => /^\s*wait\s*=\s*"?(\d{1,9})"?\s*$/i.exec(part)?.[1]);
  const first = seconds?.find((value) => value !== undefined);
  return first === undefined ? undefined : Math.min(Number(first), waitSecondsMax);
}
