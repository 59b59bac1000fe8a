/**
 * Sums of a participant's rows, by key. What is final and older than every SQL transaction is kept as a settled sum, so
 * a comparison reads what came since, however long the books of the key are.
 */
import type { ReservingParticipant } from '../../contracts/reconciliation';
import { SqlTimeout, type SqlPool } from '../sql-transaction';

/** Rows that are so old bear no COMMIT any more: a SQL transaction has seconds. */
const finalSeconds = 60;
/** By a clock that may be another one after a promotion. */
const finalByClockSeconds = 600;
/** Rows of one key that are settled by one statement, where all of them together take too long. */
const rowsOfStep = 50_000;

/** What differs of one key. */
export interface Difference {
  readonly what: 'balance' | 'held' | 'stock' | 'coupon';
  readonly subject: string;
  readonly currency: string | null;
  readonly stands: string;
  readonly derived: string;
}

/** A sum that nobody adds to any more. */
interface SettledSum {
  readonly id: string;
  /** Up to which rows are in it: an id, or a time. */
  readonly place: string;
  readonly sum: string;
}

/**
 * The books of one participant. What is asked of several keys is one SELECT, so it sees one state of the database, made of
 * one range for each: MySQL reads no range whose bound stands in another table.
 */
interface KeyedBooks {
  readonly keys: { readonly table: string; readonly column: string };
  /** Before everything. */
  readonly noPlace: string;
  /** Up to which place everything is final; no row: nothing is. */
  readonly finalPlace: string;
  /** Takes keys. @returns SettledSum. */
  readonly settled: string;
  /** Takes rows of key, place, sum. */
  readonly keep: string;
  /** Of one key. @returns its rows behind the first place, up to the second: `id`, their sum `more`, how many. */
  readonly more: Part<readonly [key: string, from: string, to: string]>;
  /** Of one key. @returns `place` of the last row of a step; no row: fewer are left. */
  readonly step: Part<readonly [key: string, from: string, to: string]>;
  /** Of one key. @returns Difference, also where there is none. */
  readonly compare: readonly Part<SettledSum>[];
  /** Keys of effects; takes the effects as often as it names them. */
  readonly touched: { readonly sql: string; readonly times: number };
}

/** A SELECT with its values. */
interface Part<Given> {
  readonly sql: string;
  readonly values: (given: Given) => readonly unknown[];
}

const entriesOf = (and: string): string =>
  `FROM ledger_entries e FORCE INDEX (by_account) WHERE e.account_id = ? AND e.id > ? ${and}`;

const accounts: KeyedBooks = {
  keys: { table: 'accounts', column: 'id' },
  noPlace: '0',
  finalPlace: `SELECT id AS place FROM ledger_entries FORCE INDEX (PRIMARY)
    WHERE created_at < UTC_TIMESTAMP(3) - INTERVAL ${finalSeconds} SECOND ORDER BY id DESC LIMIT 1`,
  settled:
    'SELECT account_id AS id, CAST(entry_id AS CHAR) AS place, CAST(amount AS CHAR) AS sum FROM account_sums WHERE account_id IN (?)',
  keep: `INSERT INTO account_sums (account_id, entry_id, amount) VALUES ? AS told
    ON DUPLICATE KEY UPDATE entry_id = told.entry_id, amount = told.amount`,
  more: {
    sql: `SELECT ? AS id, CAST(COALESCE(SUM(e.amount), 0) AS CHAR) AS more, COUNT(*) AS rows_more
      ${entriesOf('AND e.id <= ?')}`,
    values: ([key, from, to]) => [key, key, BigInt(from), BigInt(to)],
  },
  step: {
    sql: `SELECT CAST(e.id AS CHAR) AS place ${entriesOf('AND e.id <= ?')} ORDER BY e.id LIMIT 1 OFFSET ${rowsOfStep - 1}`,
    values: ([key, from, to]) => [key, BigInt(from), BigInt(to)],
  },
  compare: [
    {
      sql: `SELECT 'balance' AS what, a.id AS subject, a.currency, CAST(a.balance + a.held AS CHAR) AS stands,
          CAST(? + COALESCE((SELECT SUM(e.amount) ${entriesOf('')}), 0) AS CHAR) AS derived FROM accounts a WHERE a.id = ?`,
      values: ({ id, place, sum }) => [BigInt(sum), id, BigInt(place), id],
    },
    {
      sql: `SELECT 'held' AS what, a.id AS subject, a.currency, CAST(a.held AS CHAR) AS stands,
          CAST(COALESCE((SELECT SUM(h.amount) FROM holds h FORCE INDEX (open_by_account)
            WHERE h.state = 'held' AND h.account_id = ?), 0) AS CHAR) AS derived FROM accounts a WHERE a.id = ?`,
      values: ({ id }) => [id, id],
    },
  ],
  touched: {
    sql: `SELECT account_id AS id FROM ledger_entries FORCE INDEX (one_leg) WHERE (gid, branch) IN (?)
      UNION SELECT account_id FROM holds FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?)`,
    times: 2,
  },
};

/** Stock and coupons: pieces that are free, set aside, or gone for good. */
function pieces(of: {
  readonly what: 'stock' | 'coupon';
  readonly table: string;
  readonly id: string;
  readonly sums: string;
  readonly reservations: string;
  readonly key: string;
  readonly index: string;
  /** The state of what is gone, and the column that counts it. */
  readonly gone: string;
  readonly quantity: string;
}): KeyedBooks {
  const { what, table, id, sums, reservations, key, index, gone, quantity } = of;
  const goneOf = (and: string): string =>
    `FROM ${reservations} r FORCE INDEX (${index})
       WHERE r.${key} = ? AND r.state = '${gone}' AND r.updated_at > CAST(? AS DATETIME(3)) ${and}`;
  const upTo = 'AND r.updated_at <= CAST(? AS DATETIME(3))';
  return {
    keys: { table, column: id },
    noPlace: '1970-01-01 00:00:00',
    finalPlace: `SELECT CAST(UTC_TIMESTAMP(3) - INTERVAL ${finalByClockSeconds} SECOND AS CHAR) AS place`,
    settled: `SELECT ${key} AS id, CAST(until AS CHAR) AS place, CAST(${gone} AS CHAR) AS sum FROM ${sums} WHERE ${key} IN (?)`,
    keep: `INSERT INTO ${sums} (${key}, until, ${gone}) VALUES ? AS told
      ON DUPLICATE KEY UPDATE until = told.until, ${gone} = told.${gone}`,
    more: {
      sql: `SELECT ? AS id, CAST(COALESCE(SUM(${quantity}), 0) AS CHAR) AS more, COUNT(*) AS rows_more
        ${goneOf(upTo)}`,
      values: ([one, from, to]) => [one, one, from, to],
    },
    step: {
      sql: `SELECT CAST(r.updated_at AS CHAR) AS place ${goneOf(upTo)} ORDER BY r.updated_at LIMIT 1 OFFSET ${rowsOfStep - 1}`,
      values: ([one, from, to]) => [one, from, to],
    },
    compare: [
      {
        sql: `SELECT '${what}' AS what, subject, NULL AS currency, CONCAT_WS('+', available, frozen, gone) AS stands,
            IF(available + frozen + gone = total AND LEAST(available, frozen, gone) >= 0,
               CONCAT_WS('+', total - f - g, f, g), 'no such sum') AS derived
          FROM (SELECT p.${id} AS subject, p.total, p.available, p.frozen, p.${gone} AS gone,
              COALESCE((SELECT SUM(${quantity}) FROM ${reservations} r FORCE INDEX (${index})
                WHERE r.${key} = ? AND r.state = 'frozen'), 0) AS f,
              ? + COALESCE((SELECT SUM(${quantity}) ${goneOf('')}), 0) AS g
            FROM ${table} p WHERE p.${id} = ?) piece`,
        values: ({ id: one, place, sum }) => [one, BigInt(sum), one, place, one],
      },
    ],
    touched: {
      sql: `SELECT DISTINCT ${key} AS id FROM ${reservations} FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?)`,
      times: 1,
    },
  };
}

const books: Readonly<Partial<Record<ReservingParticipant, KeyedBooks>>> = {
  accounts,
  inventory: pieces({
    ...{ what: 'stock', table: 'stock', id: 'sku', sums: 'stock_sums', gone: 'sold' },
    ...{ reservations: 'reservations', key: 'sku', index: 'by_sku', quantity: 'r.qty' },
  }),
  coupons: pieces({
    ...{ what: 'coupon', table: 'coupons', id: 'id', sums: 'coupon_sums', gone: 'used' },
    ...{ reservations: 'coupon_reservations', key: 'coupon_id', index: 'by_coupon', quantity: '1' },
  }),
};

/** Has it sums of its own? */
export const hasBooks = (participant: ReservingParticipant): boolean => participant in books;

/** The next keys in their order. */
export async function keysBehind(
  pool: SqlPool,
  participant: ReservingParticipant,
  after: string,
  rows: number,
): Promise<readonly string[]> {
  const { table, column } = booksOf(participant).keys;
  const found = await pool.select<{ readonly id: string }>(
    `SELECT ${column} AS id FROM ${table} WHERE ${column} > ? ORDER BY ${column} LIMIT ?`,
    [after, rows],
  );
  return found.map(({ id }) => id);
}

/** Keys that these effects have changed. */
export async function touchedKeys(
  pool: SqlPool,
  participant: ReservingParticipant,
  effects: readonly (readonly [gid: string, branch: string])[],
): Promise<readonly string[]> {
  if (effects.length === 0) return [];
  const { sql, times } = booksOf(participant).touched;
  const found = await pool.select<{ readonly id: string }>(
    sql,
    Array.from({ length: times }, () => effects),
  );
  return found.map(({ id }) => id);
}

/** Settles what is final of these keys, then compares them. Each step is kept, so that a retry goes on where it was. */
export async function differencesOf(
  pool: SqlPool,
  participant: ReservingParticipant,
  keys: readonly string[],
): Promise<readonly Difference[]> {
  if (keys.length === 0) return [];
  const own = booksOf(participant);
  const [final] = await pool.select<{ readonly place: string }>(own.finalPlace);
  if (final) await settle(pool, own, keys, final.place);
  const settled = await settledOf(pool, own, keys);
  const differences: Difference[] = [];
  for (const part of own.compare)
    differences.push(
      ...(await pool.select<Difference>(
        `SELECT * FROM (${together(part, settled.length)}) compared WHERE stands <> derived`,
        settled.flatMap((sum) => part.values(sum)),
      )),
    );
  return differences;
}

const together = ({ sql }: Part<never>, times: number): string =>
  Array.from({ length: times }, () => `(${sql})`).join(' UNION ALL ');

/** One of each key; what was never settled is nothing so far. */
async function settledOf(
  pool: SqlPool,
  { settled, noPlace }: KeyedBooks,
  keys: readonly string[],
): Promise<readonly SettledSum[]> {
  const found = await pool.select<SettledSum>(settled, [keys]);
  const byKey = new Map(found.map((sum) => [sum.id, sum]));
  return keys.map((id) => byKey.get(id) ?? { id, place: noPlace, sum: '0' });
}

/** All at once; half by half where that takes too long, and one key alone in steps. */
async function settle(
  pool: SqlPool,
  own: KeyedBooks,
  keys: readonly string[],
  place: string,
): Promise<void> {
  try {
    await settleUpTo(pool, own, keys, place);
  } catch (error) {
    if (!(error instanceof SqlTimeout)) throw error;
    const [only, second] = keys;
    if (only !== undefined && second === undefined) return settleInSteps(pool, own, only, place);
    const half = Math.ceil(keys.length / 2);
    await settle(pool, own, keys.slice(0, half), place);
    await settle(pool, own, keys.slice(half), place);
  }
}

interface More {
  readonly id: string;
  readonly more: string;
  readonly rows_more: string;
}

/** A second round beside it may write another place: each is true with its own sum. */
async function settleUpTo(
  pool: SqlPool,
  own: KeyedBooks,
  keys: readonly string[],
  place: string,
): Promise<void> {
  const sums = await settledOf(pool, own, keys);
  const found = await pool.select<More>(
    together(own.more, sums.length),
    sums.flatMap(({ id, place: from }) => own.more.values([id, from, place])),
  );
  const before = new Map(sums.map(({ id, sum }) => [id, BigInt(sum)]));
  const rows = found
    .filter(({ rows_more }) => Number(rows_more) > 0) // Also where together they come to nothing.
    .map(({ id, more }) => [id, place, (before.get(id) ?? 0n) + BigInt(more)]);
  if (rows.length > 0) await pool.change(own.keep, [rows]);
}

async function settleInSteps(
  pool: SqlPool,
  own: KeyedBooks,
  key: string,
  place: string,
): Promise<void> {
  for (;;) {
    const [sum] = await settledOf(pool, own, [key]);
    const from = sum?.place ?? own.noPlace;
    const [step] = await pool.select<{ readonly place: string }>(
      own.step.sql,
      own.step.values([key, from, place]),
    );
    await settleUpTo(pool, own, [key], step?.place ?? place);
    if (!step) return;
  }
}

function booksOf(participant: ReservingParticipant): KeyedBooks {
  const own = books[participant];
  if (!own) throw new Error(`${participant} has no sums.`);
  return own;
}
