/**
 * Sums of a participant's rows, by key. Reconciliation keeps what is final of a key as a stored sum (decision 0034), so a
 * comparison reads what came since, however long the history of the key is.
 */
import type { Reading } from './reading';

/** What differs of one key. */
export interface Difference {
  /** One of `DifferenceKind`, by name. */
  readonly what: string;
  readonly subject: string;
  /** `null`: pieces. */
  readonly currency: string | null;
  readonly stands: string;
  readonly derived: string;
}

/** A sum that is final: no more rows are added to it. */
export interface StoredSum {
  readonly id: string;
  /** Up to which rows are in it: an id, or a time. */
  readonly place: string;
  readonly sum: string;
}

export type Select = Pick<Reading, 'select'>;

/** The stored sums of one kind of key, and what is compared with them. */
export interface StoredSums {
  /** Before everything. */
  readonly noPlace: string;
  /** Takes keys. @returns StoredSum. */
  readonly stored: string;
  /** FROM and WHERE for the rows of one key after a place. Takes the key, the place, and the values of `and`. */
  readonly rowsBehind: (and: string) => string;
  /** One SELECT, so it sees one state of the database. @param sums at least one. */
  readonly compare: (of: Select, sums: readonly StoredSum[]) => Promise<readonly Difference[]>;
}

/** A kind of difference, for the person who reads the finding. */
export interface DifferenceKind {
  /** What is wrong, as the beginning of a sentence. */
  readonly meaning: string;
  /** What its money is; `null`: it has none. */
  readonly amount: 'hold' | 'captured' | null;
}

/** A SELECT with its values. */
interface Part<Given> {
  readonly sql: string;
  readonly values: (given: Given) => readonly unknown[];
}

/** How reconciliation finds the keys of a participant, keeps their sums and compares them. */
export interface KeptSums {
  readonly sums: StoredSums;
  readonly keys: { readonly table: string; readonly column: string };
  /** Place up to which all rows are final; no row: none is. */
  readonly finalPlace: string;
  /** Takes rows of key, place, sum. */
  readonly keep: string;
  /** Sums the rows of one key after the first place, up to the second. @returns `id`, their sum `more`, how many. */
  readonly more: Part<readonly [key: string, from: string, to: string]>;
  /** Finds where a step of one key ends. @returns `place` of its last row; no row: fewer rows are left. */
  readonly step: Part<readonly [key: string, from: string, to: string]>;
  /** Finds other differences than sums. Takes the keys twice. @returns Difference. */
  readonly beside: string | null;
  /** Keys that effects have touched. Takes the effects `times` times. */
  readonly touched: { readonly sql: string; readonly times: number };
  /** By `what` of a difference. */
  readonly kinds: Readonly<Record<string, DifferenceKind>>;
}

/** Age after which rows are committed: a SQL transaction takes seconds. */
export const finalSeconds = 60;
/** The same by the clock of a server, which may differ after a promotion. */
export const finalByClockSeconds = 600;
/** Rows of one key that one statement adds, if all of them together take too long. */
export const rowsOfStep = 50_000;

/** Keys of one statement: a range each. */
const keysAtOnce = 200;

/** One stored sum of each key; a key without one has none of its rows in it. @param keys at least one. */
export async function storedOf(
  of: Select,
  { stored, noPlace }: StoredSums,
  keys: readonly string[],
): Promise<readonly StoredSum[]> {
  const found = await of.select<StoredSum>(stored, [keys]);
  const byKey = new Map(found.map((sum) => [sum.id, sum]));
  return keys.map((id) => byKey.get(id) ?? { id, place: noPlace, sum: '0' });
}

/** @param snapshot of one state of the database: it is asked several times. @returns the first `max`, at most. */
export async function differencesIn(
  snapshot: Select,
  sums: StoredSums,
  keys: readonly string[],
  max: number,
): Promise<readonly Difference[]> {
  const found: Difference[] = [];
  for (let at = 0; at < keys.length && found.length < max; at += keysAtOnce) {
    const some = await storedOf(snapshot, sums, keys.slice(at, at + keysAtOnce));
    found.push(...(await sums.compare(snapshot, some)));
  }
  return found.slice(0, max);
}

/** Literal bounds: MySQL reads no range whose bound stands in another table. */
export const ranges = (sums: readonly StoredSum[], range: string): string =>
  sums.map(() => `(${range})`).join(' OR ');
export const idsOf = (sums: readonly StoredSum[]): readonly string[] => sums.map(({ id }) => id);
export const sumsById = (sums: readonly StoredSum[]): ReadonlyMap<string, bigint> =>
  new Map(sums.map(({ id, sum }) => [id, BigInt(sum)]));

/** A row of a comparison; digits. */
export type Compared = Readonly<Record<string, string>> & { readonly subject: string };
