/**
 * Settles and compares the sums of a participant's rows, by key. A final row that is older than every open SQL
 * transaction is added once to the settled sum of its key (`invariants/settled-sums.ts`).
 */
import {
  accountSums,
  couponSums,
  coupons as couponPieces,
  settledOf,
  stock as stockPieces,
  stockSums,
  type Difference,
  type Pieces,
  type SettledSums,
} from '../../invariants/settled-sums';
import { SqlTimeout, type SqlPool } from '../fence/sql-transaction';

/** Age after which rows are committed: a SQL transaction takes seconds. */
const finalSeconds = 60;
/** The same by the clock of a server, which may differ after a promotion. */
const finalByClockSeconds = 600;
/** Rows of one key that one statement settles, if all of them together take too long. */
const rowsOfStep = 50_000;

/** The books of one participant. */
interface KeyedBooks {
  readonly sums: SettledSums;
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
}

/** A SELECT with its values. */
interface Part<Given> {
  readonly sql: string;
  readonly values: (given: Given) => readonly unknown[];
}

const accounts: KeyedBooks = {
  sums: accountSums,
  keys: { table: 'accounts', column: 'id' },
  finalPlace: `SELECT id AS place FROM ledger_entries FORCE INDEX (PRIMARY)
    WHERE created_at < UTC_TIMESTAMP(3) - INTERVAL ${finalSeconds} SECOND ORDER BY id DESC LIMIT 1`,
  keep: `INSERT INTO account_sums (account_id, entry_id, amount) VALUES ? AS told
    ON DUPLICATE KEY UPDATE entry_id = told.entry_id, amount = told.amount`,
  more: {
    sql: `SELECT ? AS id, CAST(COALESCE(SUM(e.amount), 0) AS CHAR) AS more, COUNT(*) AS rows_more
      ${accountSums.rowsBehind('AND e.id <= ?')}`,
    values: ([key, from, to]) => [key, key, BigInt(from), BigInt(to)],
  },
  step: {
    sql: `SELECT CAST(e.id AS CHAR) AS place ${accountSums.rowsBehind('AND e.id <= ?')} ORDER BY e.id LIMIT 1 OFFSET ${rowsOfStep - 1}`,
    values: ([key, from, to]) => [key, BigInt(from), BigInt(to)],
  },
  beside: `SELECT 'held' AS what, a.id AS subject, a.currency, CAST(a.held AS CHAR) AS stands, CAST(COALESCE(h.s, 0) AS CHAR) AS derived
      FROM accounts a LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM holds FORCE INDEX (open_by_account)
          WHERE state = 'held' AND account_id IN (?) GROUP BY account_id) h ON h.account_id = a.id
      WHERE a.id IN (?) AND a.held <> COALESCE(h.s, 0) ORDER BY a.id`,
  touched: {
    sql: `SELECT account_id AS id FROM ledger_entries FORCE INDEX (one_leg) WHERE (gid, branch) IN (?)
      UNION SELECT account_id FROM holds FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?)`,
    times: 2,
  },
};

function pieces(own: SettledSums, of: Pieces): KeyedBooks {
  const { table, id, sums, reservations, key, gone, quantity } = of;
  const upTo = 'AND r.updated_at <= CAST(? AS DATETIME(3))';
  return {
    sums: own,
    keys: { table, column: id },
    finalPlace: `SELECT CAST(UTC_TIMESTAMP(3) - INTERVAL ${finalByClockSeconds} SECOND AS CHAR) AS place`,
    keep: `INSERT INTO ${sums} (${key}, until, ${gone}) VALUES ? AS told
      ON DUPLICATE KEY UPDATE until = told.until, ${gone} = told.${gone}`,
    more: {
      sql: `SELECT ? AS id, CAST(COALESCE(SUM(${quantity}), 0) AS CHAR) AS more, COUNT(*) AS rows_more
        ${own.rowsBehind(upTo)}`,
      values: ([one, from, to]) => [one, one, from, to],
    },
    step: {
      sql: `SELECT CAST(r.updated_at AS CHAR) AS place ${own.rowsBehind(upTo)} ORDER BY r.updated_at LIMIT 1 OFFSET ${rowsOfStep - 1}`,
      values: ([one, from, to]) => [one, from, to],
    },
    beside: null,
    touched: {
      sql: `SELECT DISTINCT ${key} AS id FROM ${reservations} FORCE INDEX (PRIMARY) WHERE (gid, branch) IN (?)`,
      times: 1,
    },
  };
}

const books: Readonly<Partial<Record<string, KeyedBooks>>> = {
  accounts,
  inventory: pieces(stockSums, stockPieces),
  coupons: pieces(couponSums, couponPieces),
};

/** Whether the participant has sums. */
export const hasBooks = (participant: string): boolean => participant in books;

/** The next keys in their order. */
export async function keysBehind(
  pool: SqlPool,
  participant: string,
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
  participant: string,
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

/** Settles final rows of these keys, then compares them. Each step is stored, so a retry continues after it. */
export async function differencesOf(
  pool: SqlPool,
  participant: string,
  keys: readonly string[],
): Promise<readonly Difference[]> {
  if (keys.length === 0) return [];
  const own = booksOf(participant);
  const [final] = await pool.select<{ readonly place: string }>(own.finalPlace);
  if (final) await settle(pool, own, keys, final.place);
  const differences = await own.sums.compare(pool, await settledOf(pool, own.sums, keys));
  if (own.beside === null) return differences;
  return [...differences, ...(await pool.select<Difference>(own.beside, [keys, keys]))];
}

/** Settles all keys at once. If that takes too long, it settles halves, and a single key in steps. */
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

/** Settles up to a place. A concurrent round may write another place: each is correct with its own sum. */
async function settleUpTo(
  pool: SqlPool,
  own: KeyedBooks,
  keys: readonly string[],
  place: string,
): Promise<void> {
  const sums = await settledOf(pool, own.sums, keys);
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

async function settleInSteps(
  pool: SqlPool,
  own: KeyedBooks,
  key: string,
  place: string,
): Promise<void> {
  for (;;) {
    const [sum] = await settledOf(pool, own.sums, [key]);
    const from = sum?.place ?? own.sums.noPlace;
    const [step] = await pool.select<{ readonly place: string }>(
      own.step.sql,
      own.step.values([key, from, place]),
    );
    await settleUpTo(pool, own, [key], step?.place ?? place);
    if (!step) return;
  }
}

function booksOf(participant: string): KeyedBooks {
  const own = books[participant];
  if (!own) throw new Error(`${participant} has no sums.`);
  return own;
}
