/**
 * Does the work of each item, so many at once, begun in their order.
 * @returns how each has ended, in their order.
 */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly PromiseSettledResult<Result>[]> {
  const results: PromiseSettledResult<Result>[] = [];
  const left = items.entries(); // One iterator for all: each item is taken once.
  const lane = async (): Promise<void> => {
    for (const [index, item] of left) [results[index]] = await Promise.allSettled([work(item)]);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}
