/**
 * Sums that must hold at any moment, as statements that return what breaks them. Each is one SELECT, so it sees one
 * state of its database, also beside writers. These are of everything, from the rows alone; what is new is compared with
 * settled sums (`settled-sums.ts`), which stand here on trial, too.
 */

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

/** Stock against itself and against its reservations. */
export const stockAgainstReservations = `
  SELECT s.sku AS subject, CONCAT_WS('+', s.available, s.frozen, s.sold) AS stands,
         CONCAT_WS('+', s.total - COALESCE(r.f, 0) - COALESCE(r.d, 0), COALESCE(r.f, 0), COALESCE(r.d, 0)) AS derived
    FROM stock s
    LEFT JOIN (SELECT sku, SUM(IF(state = 'frozen', qty, 0)) AS f, SUM(IF(state = 'sold', qty, 0)) AS d
                 FROM reservations GROUP BY sku) r ON r.sku = s.sku
    WHERE s.available + s.frozen + s.sold <> s.total OR LEAST(s.available, s.frozen, s.sold) < 0
       OR s.frozen <> COALESCE(r.f, 0) OR s.sold <> COALESCE(r.d, 0)`;

/** Pieces of a coupon against themselves and against their reservations. */
export const couponsAgainstReservations = `
  SELECT c.id AS subject, CONCAT_WS('+', c.available, c.frozen, c.used) AS stands,
         CONCAT_WS('+', c.total - COALESCE(r.f, 0) - COALESCE(r.u, 0), COALESCE(r.f, 0), COALESCE(r.u, 0)) AS derived
    FROM coupons c
    LEFT JOIN (SELECT coupon_id, SUM(state = 'frozen') AS f, SUM(state = 'used') AS u
                 FROM coupon_reservations GROUP BY coupon_id) r ON r.coupon_id = c.id
    WHERE c.available + c.frozen + c.used <> c.total OR LEAST(c.available, c.frozen, c.used) < 0
       OR c.frozen <> COALESCE(r.f, 0) OR c.used <> COALESCE(r.u, 0)`;

/** A settled sum of an account against the entries that are in it. */
export const accountSumsAgainstEntries = `
  SELECT s.account_id AS subject, CAST(s.amount AS CHAR) AS stands, CAST(COALESCE(SUM(e.amount), 0) AS CHAR) AS derived
    FROM account_sums s
    LEFT JOIN ledger_entries e FORCE INDEX (by_account) ON e.account_id = s.account_id AND e.id <= s.entry_id
    GROUP BY s.account_id, s.amount HAVING stands <> derived`;

/** A settled sum of stock against the reservations that are in it. */
export const stockSumsAgainstReservations = `
  SELECT s.sku AS subject, CAST(s.sold AS CHAR) AS stands, CAST(COALESCE(SUM(r.qty), 0) AS CHAR) AS derived
    FROM stock_sums s
    LEFT JOIN reservations r FORCE INDEX (by_sku) ON r.sku = s.sku AND r.state = 'sold' AND r.updated_at <= s.until
    GROUP BY s.sku, s.sold HAVING stands <> derived`;

/** A settled sum of a coupon against the reservations that are in it. */
export const couponSumsAgainstReservations = `
  SELECT s.coupon_id AS subject, CAST(s.used AS CHAR) AS stands, CAST(COUNT(r.gid) AS CHAR) AS derived
    FROM coupon_sums s
    LEFT JOIN coupon_reservations r FORCE INDEX (by_coupon)
      ON r.coupon_id = s.coupon_id AND r.state = 'used' AND r.updated_at <= s.until
    GROUP BY s.coupon_id, s.used HAVING stands <> derived`;
