/**
 * Sums of accounts that must hold at any moment. The statements return what breaks them: each is one SELECT, so it sees
 * one state of its database, also beside writers.
 */
import {
  finalSeconds,
  idsOf,
  ranges,
  rowsOfStep,
  sumsById,
  type Compared,
  type KeptSums,
  type StoredSums,
} from '../stored-sums';

/** Balance and held of an account against its entries. */
export const balancesAgainstEntries = `
  SELECT a.id AS subject, a.currency, CAST(a.balance + a.held AS CHAR) AS stands, CAST(COALESCE(e.s, 0) AS CHAR) AS derived
    FROM accounts a
    LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM ledger_entries GROUP BY account_id) e ON e.account_id = a.id
    WHERE a.balance + a.held <> COALESCE(e.s, 0)`;

/** What is held of an account against its open holds. */
export const heldAgainstHolds = `
  SELECT a.id AS subject, a.currency, CAST(a.held AS CHAR) AS stands, CAST(COALESCE(h.s, 0) AS CHAR) AS derived
    FROM accounts a
    LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM holds WHERE state = 'held' GROUP BY account_id) h
      ON h.account_id = a.id
    WHERE a.held <> COALESCE(h.s, 0)`;

/** A stored sum of an account against the entries that are in it. */
export const accountSumsAgainstEntries = `
  SELECT s.account_id AS subject, CAST(s.amount AS CHAR) AS stands, CAST(COALESCE(SUM(e.amount), 0) AS CHAR) AS derived
    FROM account_sums s
    LEFT JOIN ledger_entries e FORCE INDEX (by_account) ON e.account_id = s.account_id AND e.id <= s.entry_id
    GROUP BY s.account_id, s.amount HAVING stands <> derived`;

/** Balance and held of accounts against their entries. */
export const accountSums: StoredSums = {
  noPlace: '0',
  stored:
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
    const stored = sumsById(sums);
    return rows.flatMap(({ subject, currency, stands = '', came = '' }) => {
      const derived = String((stored.get(subject) ?? 0n) + BigInt(came));
      return stands === derived
        ? []
        : [{ what: 'balance' as const, subject, currency, stands, derived }];
    });
  },
};

/** How reconciliation keeps them. */
export const keptAccountSums: KeptSums = {
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
  kinds: {
    balance: { meaning: 'Balance and held are not the sum of its entries', amount: 'captured' },
    held: { meaning: 'What is held is not the sum of its holds', amount: 'hold' },
  },
};
