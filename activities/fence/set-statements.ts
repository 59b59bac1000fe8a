import { partsOfStepKey, type Branch, type Gid, type StepKey } from '../../contracts/engine/ids';

/**
 * Keys of one statement, at most. Above about 5,000 the optimizer gives up the range (`range_optimizer_max_mem_size`),
 * scans in spite of `FORCE INDEX`, and locks strangers' rows.
 */
export const keysPerStatementMax = 1_000;

/** The list in pieces of at most one statement, in its order: sorted keys stay sorted across statements. */
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
 * Takes an effect back when a statement changed other rows than it was given: a JOIN passes over a missing key in
 * silence.
 */
export function expectRows(table: string, changed: number, expected: number): void {
  if (changed !== expected) {
    throw new Error(`${table}: ${changed} rows changed, ${expected} expected.`);
  }
}
