export const jsonMedia = ['application/json', 'application/problem+json'] as const;
export const csvMedia = 'text/csv';

interface Range {
  readonly pattern: string;
  readonly quality: number;
}

/**
 * The first of the offered media types among those that a caller likes best (`Accept`, RFC 9110 12.5.1: the most exact
 * range that fits a type gives its quality). @returns undefined: none will do.
 */
export function preferredOf<Media extends string>(
  accept: string | undefined,
  offered: readonly Media[],
): Media | undefined {
  if (accept === undefined) return offered[0];
  const ranges = accept.split(',').map(rangeOf);
  const qualities = offered.map((media) => qualityOf(media, ranges));
  const best = Math.max(...qualities);
  return best > 0 ? offered[qualities.indexOf(best)] : undefined;
}

function rangeOf(text: string): Range {
  const [pattern = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const given = parameters.map((one) => /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(one)?.[1]);
  return { pattern, quality: Number(given.find((one) => one !== undefined) ?? 1) };
}

function qualityOf(media: string, ranges: readonly Range[]): number {
  const [family = ''] = media.split('/');
  const exactFirst = [media, `${family}/*`, '*/*'];
  const fitting = exactFirst.flatMap(
    (pattern) => ranges.find((range) => range.pattern === pattern) ?? [],
  );
  return fitting[0]?.quality ?? 0;
}
