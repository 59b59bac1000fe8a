/** Tables as they are after a long time, filled by the server itself. */
import { sqlLimits, type SqlLimits, type SqlPool } from '../../activities/fence/sql-transaction';

/** Limits for filling on a busy machine. Ten thousand rows with many indexes take long. */
export const patient: SqlLimits = {
  ...sqlLimits,
  ...{ statementMs: 60_000, transactionMs: 60_000, triesMs: 60_000 },
};

/** Rows of one statement: one that takes longer than the limit of the pool would fail the test. */
const rowsAtOnce = 10_000;
const digits = Array.from({ length: 10 }, (_, digit) => `SELECT ${digit} AS d`).join(' UNION ALL ');
/** 0 to `rowsAtOnce` - 1, in no order. */
const numbers = `(SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n
  FROM (${digits}) a, (${digits}) b, (${digits}) c, (${digits}) e)`;

/** One INSERT of many rows; `select` names its columns for the row `i`. */
export interface Filling {
  /** Table and columns, as they stand behind INSERT INTO. */
  readonly into: string;
  readonly select: string;
  /** What `select` may name beside `i`. */
  readonly with?: string;
  /** Numbers `i` of the rows: `from` is one of them, `to` is not. Both are multiples of ten thousand. */
  readonly from: number;
  readonly to: number;
}

/** @param admin into the database of the table, with an administrator's rights. */
export async function fill(
  admin: Pick<SqlPool, 'change'>,
  { into, select, from, to, ...also }: Filling,
): Promise<void> {
  for (let at = from; at < to; at += rowsAtOnce) {
    await admin.change(
      `INSERT INTO ${into} WITH counted AS (SELECT ${at} + n AS i FROM ${numbers} numbers),
         filling AS (SELECT ${also.with === undefined ? 'i' : `i, ${also.with}`} FROM counted)
         SELECT ${select} FROM filling`,
    );
  }
}
