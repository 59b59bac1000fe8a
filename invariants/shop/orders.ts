/** What holds of orders and their views at any moment. */
import { countFence, countOf, newEffects, newest, onlyInFence, type Oracle } from '../oracle';

/** The consumer of order events keeps `order_views`, and notes there what it has consumed. */
const consumedAgainstViews = (and: string): string => `
  SELECT o.aggregate_id, o.event_id, o.sequence, v.version
    FROM outbox o
    JOIN consumed c ON c.consumer = 'accord-order-view' AND c.event_id = o.event_id
    LEFT JOIN order_views v ON v.order_id = o.aggregate_id
    WHERE (v.order_id IS NULL OR v.version < o.sequence) ${and}`;

export const ordersOracles: readonly Oracle[] = [
  {
    id: 'E',
    name: 'event streams have no gaps',
    databases: ['orders'],
    whole: {
      sql: `SELECT aggregate_id FROM events GROUP BY aggregate_id HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(*)`,
      counted: countOf('events'),
    },
    lately: (window) => ({
      sql: `SELECT e.aggregate_id FROM (SELECT DISTINCT aggregate_id FROM outbox WHERE id > ${newest(window, 'outbox')}) n
              STRAIGHT_JOIN events e ON e.aggregate_id = n.aggregate_id
              GROUP BY e.aggregate_id HAVING MIN(e.version) <> 1 OR MAX(e.version) <> COUNT(*)`,
      counted: countOf(`outbox WHERE id > ${newest(window, 'outbox')}`),
    }),
  },
  {
    id: 'J',
    name: 'orders are what the fence says',
    databases: ['orders'],
    whole: {
      sql: `SELECT o.gid, o.branch, o.status, f.state AS fence
              FROM orders o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
              WHERE (f.gid IS NULL AND o.status = 'created')
                 OR f.state <> CASE o.status WHEN 'created' THEN 'acted' WHEN 'completed' THEN 'confirmed' ELSE 'undone' END
            UNION ALL ${onlyInFence('fence', 'orders')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `SELECT o.gid, o.branch, o.status, f.state AS fence
              FROM ${newEffects(window)} f STRAIGHT_JOIN orders o ON o.gid = f.gid AND o.branch = f.branch
              WHERE f.state <> CASE o.status WHEN 'created' THEN 'acted' WHEN 'completed' THEN 'confirmed' ELSE 'undone' END
            UNION ALL ${onlyInFence(newEffects(window), 'orders')}`,
      counted: countFence(window),
    }),
  },
  {
    id: 'K',
    name: 'an order costs its lines less its discount',
    databases: ['orders'],
    whole: {
      sql: `SELECT o.order_id, o.amount_minor, o.discount_minor, l.s AS of_lines
              FROM orders o
              LEFT JOIN (SELECT order_id, SUM(qty * unit_price_minor) AS s FROM order_lines GROUP BY order_id) l
                ON l.order_id = o.order_id
              WHERE o.amount_minor <> COALESCE(l.s, 0) - o.discount_minor`,
      counted: countOf('orders'),
    },
    lately: (window) => ({
      sql: `SELECT o.order_id, o.amount_minor, o.discount_minor, SUM(l.qty * l.unit_price_minor) AS of_lines
              FROM ${newEffects(window)} f STRAIGHT_JOIN orders o ON o.gid = f.gid AND o.branch = f.branch
              LEFT JOIN order_lines l ON l.order_id = o.order_id
              GROUP BY o.order_id, o.amount_minor, o.discount_minor
              HAVING o.amount_minor <> COALESCE(of_lines, 0) - o.discount_minor`,
      counted: countFence(window),
    }),
  },
  {
    id: 'V',
    name: 'a view has seen what was consumed for it',
    databases: ['orders'],
    whole: { sql: consumedAgainstViews(''), counted: countOf('consumed') },
    lately: (window) => ({
      sql: consumedAgainstViews(`AND o.id > ${newest(window, 'outbox')}`),
      counted: countOf(`outbox WHERE id > ${newest(window, 'outbox')}`),
    }),
  },
  {
    id: 'V2',
    name: 'nothing is consumed that nobody wrote',
    databases: ['orders'],
    // Published rows are kept for longer than a day, and a row is written before it is consumed.
    whole: {
      sql: `SELECT c.consumer, c.event_id FROM consumed c LEFT JOIN outbox o ON o.event_id = c.event_id
              WHERE o.id IS NULL AND c.consumed_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
      counted: countOf('consumed'),
    },
    lately: null,
  },
];
