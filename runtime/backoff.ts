/** Pause after the first failure and the longest one, in milliseconds. */
export interface Backoff {
  readonly first: number;
  readonly max: number;
}

/**
 * The pause before the next try, in milliseconds: doubled with each further failure, up to the longest.
 *
 * @param failures in a row; 1 or more.
 */
export const backoffMs = (failures: number, { first, max }: Backoff): number =>
  Math.min(first * 2 ** (failures - 1), max);
