/**
 * Keeps and compares the stored sums of a participant, by key. A final row that is older than every open SQL transaction
 * is added once to the stored sum of its key (`invariants/stored-sums.ts`).
 */
import { storedOf, type Difference, type KeptSums } from '../../invariants/stored-sums';
import { SqlTimeout, type SqlPool } from '../fence/sql-transaction';

/** The next keys in their order. */
export async function keysBehind(
  pool: SqlPool,
  own: KeptSums,
  after: string,
  rows: number,
): Promise<readonly string[]> {
  const { table, column } = own.keys;
  const found = await pool.select<{ readonly id: string }>(
    `SELECT ${column} AS id FROM ${table} WHERE ${column} > ? ORDER BY ${column} LIMIT ?`,
    [after, rows],
  );
  return found.map(({ id }) => id);
}

/** Keys that these effects have changed. */
export async function touchedKeys(
  pool: SqlPool,
  own: KeptSums,
  effects: readonly (readonly [gid: string, branch: string])[],
): Promise<readonly string[]> {
  if (effects.length === 0) return [];
  const { sql, times } = own.touched;
  const found = await pool.select<{ readonly id: string }>(
    sql,
    Array.from({ length: times }, () => effects),
  );
  return found.map(({ id }) => id);
}

/** Adds final rows of these keys to their sums, then compares them. Each step is stored, so a retry continues after it. */
export async function differencesOf(
  pool: SqlPool,
  own: KeptSums,
  keys: readonly string[],
): Promise<readonly Difference[]> {
  if (keys.length === 0) return [];
  const [final] = await pool.select<{ readonly place: string }>(own.finalPlace);
  if (final) await addFinalRows(pool, own, keys, final.place);
  const differences = await own.sums.compare(pool, await storedOf(pool, own.sums, keys));
  if (own.beside === null) return differences;
  return [...differences, ...(await pool.select<Difference>(own.beside, [keys, keys]))];
}

/** Adds the rows of all keys at once. If that takes too long, it adds those of halves, and of a single key in steps. */
async function addFinalRows(
  pool: SqlPool,
  own: KeptSums,
  keys: readonly string[],
  place: string,
): Promise<void> {
  try {
    await addUpTo(pool, own, keys, place);
  } catch (error) {
    if (!(error instanceof SqlTimeout)) throw error;
    const [only, second] = keys;
    if (only !== undefined && second === undefined) return addInSteps(pool, own, only, place);
    const half = Math.ceil(keys.length / 2);
    await addFinalRows(pool, own, keys.slice(0, half), place);
    await addFinalRows(pool, own, keys.slice(half), place);
  }
}

interface More {
  readonly id: string;
  readonly more: string;
  readonly rows_more: string;
}

/** Adds the rows up to a place. A concurrent round may write another place: each is correct with its own sum. */
async function addUpTo(
  pool: SqlPool,
  own: KeptSums,
  keys: readonly string[],
  place: string,
): Promise<void> {
  const sums = await storedOf(pool, own.sums, keys);
  const found = await pool.select<More>(
    Array.from(sums, () => `(${own.more.sql})`).join(' UNION ALL '),
    sums.flatMap(({ id, place: from }) => own.more.values([id, from, place])),
  );
  const before = new Map(sums.map(({ id, sum }) => [id, BigInt(sum)]));
  const rows = found
    .filter(({ rows_more }) => Number(rows_more) > 0) // Also if their sum is zero.
    .map(({ id, more }) => [id, place, (before.get(id) ?? 0n) + BigInt(more)]);
  if (rows.length > 0) await pool.change(own.keep, [rows]);
}

async function addInSteps(pool: SqlPool, own: KeptSums, key: string, place: string): Promise<void> {
  for (;;) {
    const [sum] = await storedOf(pool, own.sums, [key]);
    const from = sum?.place ?? own.sums.noPlace;
    const [step] = await pool.select<{ readonly place: string }>(
      own.step.sql,
      own.step.values([key, from, place]),
    );
    await addUpTo(pool, own, [key], step?.place ?? place);
    if (!step) return;
  }
}
