import { partsOfStepKey, type Branch, type Gid, type StepKey } from '../../contracts/engine/ids';

/**
 * Maximum keys of one statement. Above about 5,000 keys the optimizer drops the range (`range_optimizer_max_mem_size`),
 * scans in spite of `FORCE INDEX`, and locks rows of other transactions.
 */
export const keysPerStatementMax = 1_000;

/** Splits a list into parts for one statement each. It keeps the order: sorted keys stay sorted across statements. */
export function chunksOf<Item>(list: readonly Item[]): readonly (readonly Item[])[] {
  const chunks: (readonly Item[])[] = [];
  for (let at = 0; at < list.length; at += keysPerStatementMax) {
    chunks.push(list.slice(at, at + keysPerStatementMax));
  }
  return chunks;
}

/** The columns that name an effect. */
export function effectOf(key: StepKey): { readonly gid: Gid; readonly branch: Branch } {
  const effect = partsOfStepKey(key);
  if (!effect) throw new Error(`Not a step key: ${key}`);
  return effect;
}

/**
 * Throws, and so rolls the effect back, if a statement did not change the expected number of rows. A JOIN ignores a
 * missing key without an error.
 */
export function expectRows(table: string, changed: number, expected: number): void {
  if (changed !== expected) {
    throw new Error(`${table}: ${changed} rows changed, ${expected} expected.`);
  }
}
