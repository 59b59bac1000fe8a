import {
  balancesAgainstEntries,
  couponsAgainstReservations,
  heldAgainstHolds,
  stockAgainstReservations,
} from '../../activities/reconciliation/identities';
import type { Database } from '../databases';

/** A statement that returns what is wrong with a database, so an empty result is green. */
export interface Oracle {
  readonly name: string;
  readonly databases: readonly Database[];
  readonly sql: string;
}

/** `accord` is no participant: `decide` has no event of its own, `transaction.*` no fence row. */
const fenced: readonly Database[] = ['inventory', 'accounts', 'orders', 'coupons'];

/** Business rows whose state must be the one of their fence row. `open`, `done`, `back`: acted, confirmed, undone. */
const againstFence = (
  table: string,
  { open, done, back }: { readonly open: string; readonly done: string; readonly back: string },
): string => `
  SELECT b.gid, b.branch, b.state, f.state AS fence
    FROM ${table} b LEFT JOIN fence f ON f.gid = b.gid AND f.branch = b.branch
    WHERE (f.gid IS NULL AND b.state = '${open}')
       OR f.state <> CASE b.state WHEN '${open}' THEN 'acted' WHEN '${done}' THEN 'confirmed' WHEN '${back}' THEN 'undone' END`;

/** Reservations that only the fence knows. */
const onlyInFence = (...tables: readonly string[]): string => `
  SELECT f.gid, f.branch, 'missing' AS state, f.state AS fence FROM fence f
    WHERE f.reserves = 1 AND f.state = 'acted' AND ${tables
      .map(
        (table) =>
          `NOT EXISTS (SELECT 1 FROM ${table} b WHERE b.gid = f.gid AND b.branch = f.branch)`,
      )
      .join(' AND ')}`;

/** One database each, true at any moment. Fence and outbox rows of more than a day are on their way out. */
export const oracles: readonly Oracle[] = [
  {
    name: 'A: money is conserved',
    databases: ['accounts'],
    sql: `SELECT currency, SUM(balance + held) AS s FROM accounts GROUP BY currency HAVING s <> 0`,
  },
  {
    name: 'B: every effect has both legs',
    databases: ['accounts'],
    sql: `SELECT gid, branch, op, currency, SUM(amount) AS d FROM ledger_entries
            GROUP BY gid, branch, op, currency HAVING d <> 0`,
  },
  {
    name: 'C: a balance is the sum of its entries',
    databases: ['accounts'],
    sql: balancesAgainstEntries,
  },
  {
    name: 'C2: what is held is the sum of the holds',
    databases: ['accounts'],
    sql: heldAgainstHolds,
  },
  {
    name: 'D: stock is what its reservations say',
    databases: ['inventory'],
    sql: stockAgainstReservations,
  },
  {
    name: 'D2: coupons are what their reservations say',
    databases: ['coupons'],
    sql: couponsAgainstReservations,
  },
  {
    name: 'E: event streams have no gaps',
    databases: ['orders'],
    sql: `SELECT aggregate_id FROM events GROUP BY aggregate_id HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(*)`,
  },
  {
    name: 'F: fence and events agree',
    databases: fenced,
    sql: `SELECT f.gid, f.branch, f.state, GROUP_CONCAT(DISTINCT o.op ORDER BY o.op) AS ops
            FROM fence f LEFT JOIN outbox o ON o.gid = f.gid AND o.branch = f.branch
            WHERE f.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY
            GROUP BY f.gid, f.branch, f.state
            HAVING COALESCE(ops, '') <> CASE f.state WHEN 'acted' THEN 'act' WHEN 'confirmed' THEN 'act,confirm'
              WHEN 'undone' THEN 'act,undo' ELSE '' END`,
  },
  {
    name: 'F2: no event without its effect',
    databases: fenced,
    sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
            WHERE f.gid IS NULL AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
  },
  {
    name: 'G: no effect is booked twice',
    databases: ['accounts'],
    sql: `SELECT gid, branch, op, account_id, COUNT(*) AS n FROM ledger_entries
            GROUP BY gid, branch, op, account_id HAVING n > 1`,
  },
  {
    name: 'H: nothing is written in an epoch that is over, or not yet',
    databases: fenced,
    sql: `SELECT f.gid, f.branch, f.epoch FROM fence f
            JOIN region_epoch r ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
  },
  {
    name: 'H: nothing is written in an epoch that is over, or not yet',
    databases: ['accord'],
    sql: `SELECT f.gid, f.branch, f.epoch FROM fence f
            WHERE f.epoch > (SELECT MAX(epoch) FROM cluster_state)`,
  },
  {
    name: 'J: holds and credits are what the fence says',
    databases: ['accounts'],
    sql: `${againstFence('holds', { open: 'held', done: 'captured', back: 'released' })}
          UNION ALL ${againstFence('credits', { open: 'reserved', done: 'credited', back: 'released' })}
          UNION ALL ${onlyInFence('holds', 'credits')}`,
  },
  {
    name: 'J: reserved stock is what the fence says',
    databases: ['inventory'],
    sql: `${againstFence('reservations', { open: 'frozen', done: 'sold', back: 'released' })}
          UNION ALL ${onlyInFence('reservations')}`,
  },
  {
    name: 'J: reserved coupons are what the fence says',
    databases: ['coupons'],
    sql: `${againstFence('coupon_reservations', { open: 'frozen', done: 'used', back: 'released' })}
          UNION ALL ${onlyInFence('coupon_reservations')}`,
  },
  {
    name: 'J: orders are what the fence says',
    databases: ['orders'],
    sql: `SELECT o.gid, o.branch, o.status, f.state AS fence
            FROM orders o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
            WHERE (f.gid IS NULL AND o.status = 'created')
               OR f.state <> CASE o.status WHEN 'created' THEN 'acted' WHEN 'completed' THEN 'confirmed' ELSE 'undone' END
          UNION ALL ${onlyInFence('orders')}`,
  },
  {
    name: 'K: an order costs its lines less its discount',
    databases: ['orders'],
    sql: `SELECT o.order_id, o.amount_minor, o.discount_minor, l.s AS of_lines
            FROM orders o
            LEFT JOIN (SELECT order_id, SUM(qty * unit_price_minor) AS s FROM order_lines GROUP BY order_id) l
              ON l.order_id = o.order_id
            WHERE o.amount_minor <> COALESCE(l.s, 0) - o.discount_minor`,
  },
  {
    name: 'P: a payment gives back no more than it took',
    databases: ['accounts'],
    sql: `SELECT payment_id, captured, refunding, refunded FROM payments WHERE refunding + refunded > captured`,
  },
  {
    name: 'P2: what a payment gives back is the sum of its refunds',
    databases: ['accounts'],
    sql: `SELECT p.payment_id, p.refunding, p.refunded, r.reserved, r.completed
            FROM payments p
            LEFT JOIN (SELECT payment_id, SUM(IF(state = 'reserved', amount, 0)) AS reserved,
                              SUM(IF(state = 'completed', amount, 0)) AS completed
                         FROM refunds GROUP BY payment_id) r ON r.payment_id = p.payment_id
            WHERE p.refunding <> COALESCE(r.reserved, 0) OR p.refunded <> COALESCE(r.completed, 0)`,
  },
  {
    name: 'P3: a payment is completed when it was captured, and its money was booked',
    databases: ['accounts'],
    sql: `SELECT p.payment_id, p.status, p.captured, l.s AS booked
            FROM payments p
            LEFT JOIN (SELECT gid, SUM(amount) AS s FROM ledger_entries WHERE amount > 0 GROUP BY gid) l ON l.gid = p.gid
            WHERE (p.status = 'completed') <> (p.captured = p.amount)
               OR (p.status = 'completed' AND COALESCE(l.s, 0) <> p.captured)`,
  },
  {
    name: "S: a merchant's movements are its entries",
    databases: ['accounts'],
    // What was carried over has movements only where it is to be settled; what was booked before there were any has none.
    sql: `SELECT l.gid, l.branch, l.op, l.account_id, l.amount AS entry, m.amount AS movement
            FROM ledger_entries l JOIN accounts a ON a.id = l.account_id AND a.kind = 'merchant'
            LEFT JOIN merchant_movements m
              ON m.gid = l.gid AND m.branch = l.branch AND m.op = l.op AND m.account_id = l.account_id
            WHERE l.gid NOT LIKE 'opening:%' AND (m.id IS NULL OR m.amount <> l.amount)
              AND l.created_at > (SELECT run_at FROM schemaversion WHERE name = 'merchant-movements')
          UNION ALL
          SELECT m.gid, m.branch, m.op, m.account_id, NULL, m.amount
            FROM merchant_movements m LEFT JOIN ledger_entries l
              ON l.gid = m.gid AND l.branch = m.branch AND l.op = m.op AND l.account_id = m.account_id
            WHERE m.gid NOT LIKE 'opening:%' AND l.id IS NULL`,
  },
  {
    name: 'S2: a position is the sum of the movements that were claimed for it',
    databases: ['accounts'],
    sql: `SELECT p.settlement_id, p.account_id, p.movements, p.credited, p.debited, m.n, m.credits, m.debits
            FROM settlement_positions p
            LEFT JOIN (SELECT settlement_id, account_id, COUNT(*) AS n, SUM(GREATEST(amount, 0)) AS credits,
                              SUM(GREATEST(-amount, 0)) AS debits
                         FROM merchant_movements WHERE settlement_id IS NOT NULL GROUP BY settlement_id, account_id) m
              ON m.settlement_id = p.settlement_id AND m.account_id = p.account_id
            WHERE p.movements <> COALESCE(m.n, 0) OR p.credited <> COALESCE(m.credits, 0)
               OR p.debited <> COALESCE(m.debits, 0) OR p.net <> p.credited - p.debited
          UNION ALL
          SELECT m.settlement_id, m.account_id, NULL, NULL, NULL, COUNT(*), SUM(GREATEST(m.amount, 0)), SUM(GREATEST(-m.amount, 0))
            FROM merchant_movements m LEFT JOIN settlement_positions p
              ON p.settlement_id = m.settlement_id AND p.account_id = m.account_id
            WHERE m.settlement_id IS NOT NULL AND p.settlement_id IS NULL GROUP BY m.settlement_id, m.account_id`,
  },
  {
    name: 'S3: a closed settlement is the sum of its positions',
    databases: ['accounts'],
    sql: `SELECT s.settlement_id, s.movements, s.credited, s.debited, p.n, p.credits, p.debits
            FROM settlements s
            LEFT JOIN (SELECT settlement_id, SUM(movements) AS n, SUM(credited) AS credits, SUM(debited) AS debits
                         FROM settlement_positions GROUP BY settlement_id) p ON p.settlement_id = s.settlement_id
            WHERE s.state = 'closed' AND (s.movements <> COALESCE(p.n, 0) OR s.credited <> COALESCE(p.credits, 0)
              OR s.debited <> COALESCE(p.debits, 0))`,
  },
];
