/**
 * Sums that must hold at any moment, as statements that return what breaks them. Each is one SELECT, so it sees one
 * state of its database, also beside writers.
 */

/** Rows that one statement returns, at most: the first of many already say that something is wrong. */
export const identityRowsMax = 100;

/** The condition that a key is one of those that are looked at; the column is the key's in the table at hand. */
export type Among = (column: string) => string;
const every: Among = () => 'TRUE';

/** Balance and held of an account against its entries. */
export const balancesAmong = (among: Among) => `
  SELECT a.id AS subject, a.currency, CAST(a.balance + a.held AS CHAR) AS stands, CAST(COALESCE(e.s, 0) AS CHAR) AS derived
    FROM accounts a
    LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM ledger_entries WHERE ${among('account_id')}
                 GROUP BY account_id) e ON e.account_id = a.id
    WHERE ${among('a.id')} AND a.balance + a.held <> COALESCE(e.s, 0)`;
export const balancesAgainstEntries = balancesAmong(every);

/** What is held of an account against its open holds. */
export const heldAmong = (among: Among) => `
  SELECT a.id AS subject, a.currency, CAST(a.held AS CHAR) AS stands, CAST(COALESCE(h.s, 0) AS CHAR) AS derived
    FROM accounts a
    LEFT JOIN (SELECT account_id, SUM(amount) AS s FROM holds WHERE state = 'held' AND ${among('account_id')} GROUP BY account_id) h
      ON h.account_id = a.id
    WHERE ${among('a.id')} AND a.held <> COALESCE(h.s, 0)`;
export const heldAgainstHolds = heldAmong(every);

/** Stock against itself and against its reservations. */
export const stockAmong = (among: Among) => `
  SELECT s.sku AS subject, CONCAT_WS('+', s.available, s.frozen, s.sold) AS stands,
         CONCAT_WS('+', s.total - COALESCE(r.f, 0) - COALESCE(r.d, 0), COALESCE(r.f, 0), COALESCE(r.d, 0)) AS derived
    FROM stock s
    LEFT JOIN (SELECT sku, SUM(IF(state = 'frozen', qty, 0)) AS f, SUM(IF(state = 'sold', qty, 0)) AS d
                 FROM reservations WHERE ${among('sku')} GROUP BY sku) r ON r.sku = s.sku
    WHERE ${among('s.sku')} AND (s.available + s.frozen + s.sold <> s.total OR LEAST(s.available, s.frozen, s.sold) < 0
       OR s.frozen <> COALESCE(r.f, 0) OR s.sold <> COALESCE(r.d, 0))`;
export const stockAgainstReservations = stockAmong(every);

/** Pieces of a coupon against themselves and against their reservations. */
export const couponsAmong = (among: Among) => `
  SELECT c.id AS subject, CONCAT_WS('+', c.available, c.frozen, c.used) AS stands,
         CONCAT_WS('+', c.total - COALESCE(r.f, 0) - COALESCE(r.u, 0), COALESCE(r.f, 0), COALESCE(r.u, 0)) AS derived
    FROM coupons c
    LEFT JOIN (SELECT coupon_id, SUM(state = 'frozen') AS f, SUM(state = 'used') AS u
                 FROM coupon_reservations WHERE ${among('coupon_id')} GROUP BY coupon_id) r ON r.coupon_id = c.id
    WHERE ${among('c.id')} AND (c.available + c.frozen + c.used <> c.total OR LEAST(c.available, c.frozen, c.used) < 0
       OR c.frozen <> COALESCE(r.f, 0) OR c.used <> COALESCE(r.u, 0))`;
export const couponsAgainstReservations = couponsAmong(every);
