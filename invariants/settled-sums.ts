/**
 * Sums of a participant's rows, by key. Reconciliation keeps what is final of a key as a settled sum (decision 0034),
 * so a comparison reads what came since, however long the books of the key are.
 */
import type { Reading } from './reading';

/** What differs of one key. */
export interface Difference {
  readonly what: 'balance' | 'held' | 'stock' | 'coupon';
  readonly subject: string;
  /** `null`: pieces. */
  readonly currency: string | null;
  readonly stands: string;
  readonly derived: string;
}

/** A sum that is final: no more rows are added to it. */
export interface SettledSum {
  readonly id: string;
  /** Up to which rows are in it: an id, or a time. */
  readonly place: string;
  readonly sum: string;
}

export type Select = Pick<Reading, 'select'>;

/** The settled sums of one kind of key, and what is compared with them. */
export interface SettledSums {
  /** Before everything. */
  readonly noPlace: string;
  /** Takes keys. @returns SettledSum. */
  readonly settled: string;
  /** FROM and WHERE for the rows of one key after a place. Takes the key, the place, and the values of `and`. */
  readonly rowsBehind: (and: string) => string;
  /** One SELECT, so it sees one state of the database. @param sums at least one. */
  readonly compare: (of: Select, sums: readonly SettledSum[]) => Promise<readonly Difference[]>;
}

/** Keys of one statement: a range each. */
const keysAtOnce = 200;

/** One settled sum of each key; what was never settled is nothing so far. @param keys at least one. */
export async function settledOf(
  of: Select,
  { settled, noPlace }: SettledSums,
  keys: readonly string[],
): Promise<readonly SettledSum[]> {
  const found = await of.select<SettledSum>(settled, [keys]);
  const byKey = new Map(found.map((sum) => [sum.id, sum]));
  return keys.map((id) => byKey.get(id) ?? { id, place: noPlace, sum: '0' });
}

/** @param snapshot of one state of the database: it is asked several times. @returns the first `max`, at most. */
export async function differencesIn(
  snapshot: Select,
  sums: SettledSums,
  keys: readonly string[],
  max: number,
): Promise<readonly Difference[]> {
  const found: Difference[] = [];
  for (let at = 0; at < keys.length && found.length < max; at += keysAtOnce) {
    const some = await settledOf(snapshot, sums, keys.slice(at, at + keysAtOnce));
    found.push(...(await sums.compare(snapshot, some)));
  }
  return found.slice(0, max);
}

/** Literal bounds: MySQL reads no range whose bound stands in another table. */
const ranges = (sums: readonly SettledSum[], range: string): string =>
  sums.map(() => `(${range})`).join(' OR ');
const idsOf = (sums: readonly SettledSum[]): readonly string[] => sums.map(({ id }) => id);

/** A row of a comparison; digits. */
type Compared = Readonly<Record<string, string>> & { readonly subject: string };

/** Balance and held of accounts against their entries. */
export const accountSums: SettledSums = {
  noPlace: '0',
  settled:
    'SELECT account_id AS id, CAST(entry_id AS CHAR) AS place, CAST(amount AS CHAR) AS sum FROM account_sums WHERE account_id IN (?)',
  rowsBehind: (and) =>
    `FROM ledger_entries e FORCE INDEX (by_account) WHERE e.account_id = ? AND e.id > ? ${and}`,
  async compare(of, sums) {
    const rows = await of.select<Compared & { readonly currency: string }>(
      `SELECT a.id AS subject, a.currency, CAST(a.balance + a.held AS CHAR) AS stands, CAST(COALESCE(n.came, 0) AS CHAR) AS came
         FROM accounts a LEFT JOIN (SELECT e.account_id, SUM(e.amount) AS came FROM ledger_entries e FORCE INDEX (by_account)
             WHERE ${ranges(sums, 'e.account_id = ? AND e.id > ?')} GROUP BY e.account_id) n ON n.account_id = a.id
         WHERE a.id IN (?) ORDER BY a.id`,
      [...sums.flatMap(({ id, place }) => [id, BigInt(place)]), idsOf(sums)],
    );
    const settled = sumsById(sums);
    return rows.flatMap(({ subject, currency, stands = '', came = '' }) => {
      const derived = String((settled.get(subject) ?? 0n) + BigInt(came));
      return stands === derived
        ? []
        : [{ what: 'balance' as const, subject, currency, stands, derived }];
    });
  },
};

/** Columns of the pieces and reservations of stock or coupons. */
export interface Pieces {
  readonly what: 'stock' | 'coupon';
  readonly table: string;
  readonly id: string;
  readonly sums: string;
  readonly reservations: string;
  readonly key: string;
  readonly index: string;
  /** The state of what is gone for good, and the column that counts it. */
  readonly gone: string;
  readonly quantity: string;
}

export const stock: Pieces = {
  ...{ what: 'stock', table: 'stock', id: 'sku', sums: 'stock_sums', gone: 'sold' },
  ...{ reservations: 'reservations', key: 'sku', index: 'by_sku', quantity: 'r.qty' },
};
export const coupons: Pieces = {
  ...{ what: 'coupon', table: 'coupons', id: 'id', sums: 'coupon_sums', gone: 'used' },
  ...{ reservations: 'coupon_reservations', key: 'coupon_id', index: 'by_coupon', quantity: '1' },
};

/** Pieces that are free, set aside, or gone for good, against their reservations. */
function pieceSums({
  what,
  table,
  id,
  sums: settledTable,
  reservations,
  key,
  index,
  gone,
  quantity,
}: Pieces): SettledSums {
  const behind = `r.${key} = ? AND r.state = '${gone}' AND r.updated_at > CAST(? AS DATETIME(3))`;
  const from = `${reservations} r FORCE INDEX (${index})`;
  return {
    noPlace: '1970-01-01 00:00:00',
    settled: `SELECT ${key} AS id, CAST(until AS CHAR) AS place, CAST(${gone} AS CHAR) AS sum FROM ${settledTable} WHERE ${key} IN (?)`,
    rowsBehind: (and) => `FROM ${from} WHERE ${behind} ${and}`,
    async compare(of, sums) {
      const rows = await of.select<Compared>(
        `SELECT p.${id} AS subject, CAST(p.total AS CHAR) AS total, CAST(p.available AS CHAR) AS available,
                CAST(p.frozen AS CHAR) AS frozen, CAST(p.${gone} AS CHAR) AS gone,
                CAST(COALESCE(s.aside, 0) AS CHAR) AS aside, CAST(COALESCE(n.came, 0) AS CHAR) AS came
           FROM ${table} p
           LEFT JOIN (SELECT r.${key}, SUM(${quantity}) AS aside FROM ${from}
               WHERE r.${key} IN (?) AND r.state = 'frozen' GROUP BY r.${key}) s ON s.${key} = p.${id}
           LEFT JOIN (SELECT r.${key}, SUM(${quantity}) AS came FROM ${from}
               WHERE ${ranges(sums, behind)} GROUP BY r.${key}) n ON n.${key} = p.${id}
           WHERE p.${id} IN (?) ORDER BY p.${id}`,
        [idsOf(sums), ...sums.flatMap(({ id: one, place }) => [one, place]), idsOf(sums)],
      );
      const settled = sumsById(sums);
      return rows.flatMap((row) => {
        const { stands, derived } = piecesOf(row, settled.get(row.subject) ?? 0n);
        if (stands === derived) return [];
        return [{ what, subject: row.subject, currency: null, stands, derived }];
      });
    },
  };
}

const sumsById = (sums: readonly SettledSum[]): ReadonlyMap<string, bigint> =>
  new Map(sums.map(({ id, sum }) => [id, BigInt(sum)]));

/** Available, set aside and gone, as they stand and as they follow from the reservations. */
function piecesOf(row: Compared, settled: bigint): Pick<Difference, 'stands' | 'derived'> {
  const of = (column: string): bigint => BigInt(row[column] ?? 0);
  const kept = [of('available'), of('frozen'), of('gone')];
  const isWhole =
    kept.reduce((sum, one) => sum + one, 0n) === of('total') && kept.every((one) => one >= 0n);
  const gone = settled + of('came');
  const derived = [of('total') - of('aside') - gone, of('aside'), gone];
  return { stands: kept.join('+'), derived: isWhole ? derived.join('+') : 'no such sum' };
}

export const stockSums = pieceSums(stock);
export const couponSums = pieceSums(coupons);
