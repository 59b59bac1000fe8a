import DataLoader from 'dataloader';

/** What one statement reads at most: a row may bear an answer of 256 KiB. */
const keysMax = 50;

/**
 * Makes many reads of one moment one statement: calls that come in one turn of the event loop are read together. Nothing
 * is kept for a later call.
 *
 * @param read answers each key, in the order of the keys.
 */
export function together<Key, Result>(
  read: (keys: readonly Key[]) => Promise<readonly Result[]>,
): (key: Key) => Promise<Result> {
  const loader = new DataLoader<Key, Result>(read, {
    cache: false,
    maxBatchSize: keysMax,
    batchScheduleFn: (go) => setImmediate(go), // Behind all sockets that have something to read now.
  });
  return (key) => loader.load(key);
}
