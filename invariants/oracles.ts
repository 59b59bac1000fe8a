/**
 * What holds inside of one database at any moment: statements that return what is wrong, so an empty result is green.
 * Each is asked in a snapshot. Most have two forms: of everything, and of what changed lately, which costs the same
 * however long the books are. The second form never cuts an effect in two: it finds what changed, then reads all of it.
 */
import { application } from '../contracts/engine/application';
import {
  accountSumsAgainstEntries,
  balancesAgainstEntries,
  couponsAgainstReservations,
  couponSumsAgainstReservations,
  heldAgainstHolds,
  stockAgainstReservations,
  stockSumsAgainstReservations,
} from './identities';
import type { Database } from './reading';
import { accountSums, couponSums, stockSums, type SettledSums } from './settled-sums';

/** What "lately" is, in one snapshot: literals, for they stand in the statements. */
export interface Window {
  /** As MySQL writes a time. */
  readonly since: string;
  /** Rows with a larger id are new. */
  readonly after: Readonly<Record<'outbox' | 'ledger_entries' | 'merchant_movements', string>>;
}

/** A statement, and how many rows it judges. */
interface Asked {
  readonly sql: string;
  /** SELECT COUNT of what is judged; the same text is counted once a round. */
  readonly counted: string;
}

/** Keys that changed lately, whose sums are compared with what is settled of them: a key may have a long history. */
interface AskedByKey {
  /** @returns `id`. */
  readonly keys: string;
  readonly sums: SettledSums;
  readonly counted: string;
}

export interface Oracle {
  /** Short, and for good: reports, runbook and drills name it. */
  readonly id: string;
  readonly name: string;
  /**
   * `reserving`: every participant of the application. `accord` is none: `decide` has no event of its own, `transaction.*`
   * no fence row.
   */
  readonly databases: readonly Database[] | 'reserving' | 'fenced';
  readonly whole: Asked;
  /** `null`: it is asked of everything or not at all. */
  readonly lately: ((window: Window) => Asked | AskedByKey) | null;
}

const countOf = (from: string): string => `SELECT COUNT(*) AS n FROM ${from}`;

/** Fence rows that began lately and are kept: an index finds them. Older ones are looked at with the whole. */
const newFence = ({ since }: Window): string =>
  `fence FORCE INDEX (sweep) WHERE expires_at IS NULL AND created_at > '${since}'`;
const newEffects = (window: Window): string =>
  `(SELECT gid, branch, state, reserves, epoch, created_at FROM ${newFence(window)})`;
const countFence = (window: Window): string => countOf(newFence(window));

/** One form for both: it is cheap, or there is no smaller part of it. */
const always = (asked: Asked): Pick<Oracle, 'whole' | 'lately'> => ({
  whole: asked,
  lately: () => asked,
});

/** Business rows whose state must be the one of their fence row. `open`, `done`, `back`: acted, confirmed, undone. */
interface States {
  readonly open: string;
  readonly done: string;
  readonly back: string;
}
const wanted = ({ open, done, back }: States): string =>
  `CASE b.state WHEN '${open}' THEN 'acted' WHEN '${done}' THEN 'confirmed' WHEN '${back}' THEN 'undone' END`;
const againstFence = (table: string, states: States): string => `
  SELECT b.gid, b.branch, b.state, f.state AS fence
    FROM ${table} b LEFT JOIN fence f ON f.gid = b.gid AND f.branch = b.branch
    WHERE (f.gid IS NULL AND b.state = '${states.open}') OR f.state <> ${wanted(states)}`;
const newAgainstFence = (window: Window, table: string, states: States): string => `
  SELECT b.gid, b.branch, b.state, f.state AS fence
    FROM ${newEffects(window)} f STRAIGHT_JOIN ${table} b ON b.gid = f.gid AND b.branch = f.branch
    WHERE f.state <> ${wanted(states)}`;

/** Reservations that only the fence knows. */
const onlyInFence = (effects: string, ...tables: readonly string[]): string => `
  SELECT f.gid, f.branch, 'missing' AS state, f.state AS fence FROM ${effects} f
    WHERE f.reserves = 1 AND f.state = 'acted' AND ${tables
      .map(
        (table) =>
          `NOT EXISTS (SELECT 1 FROM ${table} b WHERE b.gid = f.gid AND b.branch = f.branch)`,
      )
      .join(' AND ')}`;

const holdStates = { open: 'held', done: 'captured', back: 'released' };
const creditStates = { open: 'reserved', done: 'credited', back: 'released' };
const stockStates = { open: 'frozen', done: 'sold', back: 'released' };
const couponStates = { open: 'frozen', done: 'used', back: 'released' };

/** Fence and outbox rows of more than a day are on their way out. */
const fenceAgainstEvents = (effects: string): string => `
  SELECT f.gid, f.branch, f.state, CAST(GROUP_CONCAT(DISTINCT o.op ORDER BY o.op) AS CHAR) AS ops
    FROM ${effects} f LEFT JOIN outbox o ON o.gid = f.gid AND o.branch = f.branch
    WHERE f.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY
    GROUP BY f.gid, f.branch, f.state
    HAVING COALESCE(ops, '') <> CASE f.state WHEN 'acted' THEN 'act' WHEN 'confirmed' THEN 'act,confirm'
      WHEN 'undone' THEN 'act,undo' ELSE '' END`;

/** Effects that have an entry among the newest, each with all of its entries. */
const newBookings = ({ after }: Window): string =>
  `(SELECT DISTINCT gid, branch, op FROM ledger_entries WHERE id > ${after.ledger_entries}) n
     STRAIGHT_JOIN ledger_entries e ON e.gid = n.gid AND e.branch = n.branch AND e.op = n.op`;
const countEntries = ({ after }: Window): string =>
  countOf(`ledger_entries WHERE id > ${after.ledger_entries}`);

const paymentsAgainstRefunds = (from: string): string => `
  SELECT p.payment_id, p.refunding, p.refunded, p.charging_back, p.charged_back,
         r.reserved, r.completed, r.bank_reserved, r.bank_completed FROM ${from}
    WHERE p.refunding <> COALESCE(r.reserved, 0) OR p.refunded <> COALESCE(r.completed, 0)
       OR p.charging_back <> COALESCE(r.bank_reserved, 0) OR p.charged_back <> COALESCE(r.bank_completed, 0)`;
/** A chargeback is counted apart from refunds. @param of the table of refunds as the statement names it. */
const refundSumsOf = (of: string): string => `
  SUM(IF(${of}.kind = 'refund' AND ${of}.state = 'reserved', ${of}.amount, 0)) AS reserved,
  SUM(IF(${of}.kind = 'refund' AND ${of}.state = 'completed', ${of}.amount, 0)) AS completed,
  SUM(IF(${of}.kind = 'chargeback' AND ${of}.state = 'reserved', ${of}.amount, 0)) AS bank_reserved,
  SUM(IF(${of}.kind = 'chargeback' AND ${of}.state = 'completed', ${of}.amount, 0)) AS bank_completed`;
const paymentsAgainstEntries = (from: string): string => `
  SELECT p.payment_id, p.status, p.captured, l.s AS booked FROM ${from}
    WHERE (p.status = 'completed') <> (p.captured = p.amount)
       OR (p.status = 'completed' AND COALESCE(l.s, 0) <> p.captured)`;
const newPayments = (window: Window): string =>
  `${newEffects(window)} f STRAIGHT_JOIN payments p ON p.gid = f.gid AND p.branch = f.branch`;

// What was carried over has movements only where it is to be settled; what was booked before there were any has none.
const entriesWithoutMovement = (and: string): string => `
  SELECT l.gid, l.branch, l.op, l.account_id, l.amount AS entry, m.amount AS movement
    FROM ledger_entries l JOIN accounts a ON a.id = l.account_id AND a.kind = 'merchant'
    LEFT JOIN merchant_movements m
      ON m.gid = l.gid AND m.branch = l.branch AND m.op = l.op AND m.account_id = l.account_id
    WHERE l.gid NOT LIKE 'opening:%' AND (m.id IS NULL OR m.amount <> l.amount) ${and}
      AND l.created_at > (SELECT run_at FROM schemaversion WHERE name = 'merchant-movements')`;
const movementsWithoutEntry = (and: string): string => `
  SELECT m.gid, m.branch, m.op, m.account_id, NULL, m.amount
    FROM merchant_movements m LEFT JOIN ledger_entries l
      ON l.gid = m.gid AND l.branch = m.branch AND l.op = m.op AND l.account_id = m.account_id
    WHERE m.gid NOT LIKE 'opening:%' AND l.id IS NULL ${and}`;

const settlementsOf = (window: Window): string =>
  `(SELECT DISTINCT s.settlement_id FROM ${newEffects(window)} f STRAIGHT_JOIN settlements s ON s.gid = f.gid) n`;
const positionsAgainstMovements = (and: string): string => `
  SELECT p.settlement_id, p.account_id, p.movements, p.credited, p.debited, m.n, m.credits, m.debits
    FROM settlement_positions p
    LEFT JOIN (SELECT settlement_id, account_id, COUNT(*) AS n, SUM(GREATEST(amount, 0)) AS credits,
                      SUM(GREATEST(-amount, 0)) AS debits
                 FROM merchant_movements WHERE settlement_id IS NOT NULL ${and} GROUP BY settlement_id, account_id) m
      ON m.settlement_id = p.settlement_id AND m.account_id = p.account_id
    WHERE (p.movements <> COALESCE(m.n, 0) OR p.credited <> COALESCE(m.credits, 0)
       OR p.debited <> COALESCE(m.debits, 0) OR p.net <> p.credited - p.debited) ${and && and.replace('settlement_id', 'p.settlement_id')}
  UNION ALL
  SELECT m.settlement_id, m.account_id, NULL, NULL, NULL, COUNT(*), SUM(GREATEST(m.amount, 0)), SUM(GREATEST(-m.amount, 0))
    FROM merchant_movements m LEFT JOIN settlement_positions p
      ON p.settlement_id = m.settlement_id AND p.account_id = m.account_id
    WHERE m.settlement_id IS NOT NULL AND p.settlement_id IS NULL ${and && and.replace('settlement_id', 'm.settlement_id')}
    GROUP BY m.settlement_id, m.account_id`;

/** The consumer of order events keeps `order_views`, and notes there what it has consumed. */
const consumedAgainstViews = (and: string): string => `
  SELECT o.aggregate_id, o.event_id, o.sequence, v.version
    FROM outbox o
    JOIN consumed c ON c.consumer = 'accord-order-view' AND c.event_id = o.event_id
    LEFT JOIN order_views v ON v.order_id = o.aggregate_id
    WHERE (v.order_id IS NULL OR v.version < o.sequence) ${and}`;

export const oracles: readonly Oracle[] = [
  {
    id: 'A',
    name: 'money is conserved',
    databases: ['accounts'],
    ...always({
      sql: `SELECT currency, SUM(balance + held) AS s FROM accounts GROUP BY currency HAVING s <> 0`,
      counted: countOf('accounts'),
    }),
  },
  {
    id: 'B',
    name: 'every effect has both legs',
    databases: ['accounts'],
    whole: {
      sql: `SELECT gid, branch, op, currency, SUM(amount) AS d FROM ledger_entries
              GROUP BY gid, branch, op, currency HAVING d <> 0`,
      counted: countOf('ledger_entries'),
    },
    lately: (window) => ({
      sql: `SELECT e.gid, e.branch, e.op, e.currency, SUM(e.amount) AS d FROM ${newBookings(window)}
              GROUP BY e.gid, e.branch, e.op, e.currency HAVING d <> 0`,
      counted: countEntries(window),
    }),
  },
  {
    id: 'C',
    name: 'a balance is the sum of its entries',
    databases: ['accounts'],
    whole: { sql: balancesAgainstEntries, counted: countOf('accounts') },
    lately: (window) => ({
      keys: `SELECT account_id AS id FROM ledger_entries WHERE id > ${window.after.ledger_entries}
               UNION SELECT id FROM accounts WHERE updated_at > '${window.since}'`,
      sums: accountSums,
      counted: countEntries(window),
    }),
  },
  {
    id: 'C2',
    name: 'what is held is the sum of the holds',
    databases: ['accounts'],
    ...always({ sql: heldAgainstHolds, counted: countOf('accounts') }),
  },
  {
    id: 'C3',
    name: 'a settled sum of an account is the sum of its entries',
    databases: ['accounts'],
    whole: { sql: accountSumsAgainstEntries, counted: countOf('account_sums') },
    lately: null,
  },
  {
    id: 'D',
    name: 'stock is what its reservations say',
    databases: ['inventory'],
    whole: { sql: stockAgainstReservations, counted: countOf('stock') },
    lately: (window) => ({
      keys: `SELECT DISTINCT b.sku AS id FROM ${newEffects(window)} f
               STRAIGHT_JOIN reservations b ON b.gid = f.gid AND b.branch = f.branch`,
      sums: stockSums,
      counted: countFence(window),
    }),
  },
  {
    id: 'D2',
    name: 'coupons are what their reservations say',
    databases: ['coupons'],
    whole: { sql: couponsAgainstReservations, counted: countOf('coupons') },
    lately: (window) => ({
      keys: `SELECT DISTINCT b.coupon_id AS id FROM ${newEffects(window)} f
               STRAIGHT_JOIN coupon_reservations b ON b.gid = f.gid AND b.branch = f.branch`,
      sums: couponSums,
      counted: countFence(window),
    }),
  },
  {
    id: 'D3',
    name: 'a settled sum of stock is the sum of its reservations',
    databases: ['inventory'],
    whole: { sql: stockSumsAgainstReservations, counted: countOf('stock_sums') },
    lately: null,
  },
  {
    id: 'D3',
    name: 'a settled sum of a coupon is the sum of its reservations',
    databases: ['coupons'],
    whole: { sql: couponSumsAgainstReservations, counted: countOf('coupon_sums') },
    lately: null,
  },
  {
    id: 'E',
    name: 'event streams have no gaps',
    databases: ['orders'],
    whole: {
      sql: `SELECT aggregate_id FROM events GROUP BY aggregate_id HAVING MIN(version) <> 1 OR MAX(version) <> COUNT(*)`,
      counted: countOf('events'),
    },
    lately: ({ after }) => ({
      sql: `SELECT e.aggregate_id FROM (SELECT DISTINCT aggregate_id FROM outbox WHERE id > ${after.outbox}) n
              STRAIGHT_JOIN events e ON e.aggregate_id = n.aggregate_id
              GROUP BY e.aggregate_id HAVING MIN(e.version) <> 1 OR MAX(e.version) <> COUNT(*)`,
      counted: countOf(`outbox WHERE id > ${after.outbox}`),
    }),
  },
  {
    id: 'F',
    name: 'fence and events agree',
    databases: 'reserving',
    whole: { sql: fenceAgainstEvents('fence'), counted: countOf('fence') },
    lately: (window) => ({
      sql: fenceAgainstEvents(newEffects(window)),
      counted: countFence(window),
    }),
  },
  {
    id: 'F2',
    name: 'no event without its effect',
    databases: 'reserving',
    whole: {
      sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
              WHERE f.gid IS NULL AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
      counted: countOf('outbox'),
    },
    lately: ({ after }) => ({
      sql: `SELECT o.gid, o.branch FROM outbox o LEFT JOIN fence f ON f.gid = o.gid AND f.branch = o.branch
              WHERE f.gid IS NULL AND o.id > ${after.outbox} AND o.created_at > UTC_TIMESTAMP(3) - INTERVAL 1 DAY`,
      counted: countOf(`outbox WHERE id > ${after.outbox}`),
    }),
  },
  {
    id: 'G',
    name: 'no effect is booked twice',
    databases: ['accounts'],
    whole: {
      sql: `SELECT gid, branch, op, account_id, COUNT(*) AS n FROM ledger_entries
              GROUP BY gid, branch, op, account_id HAVING n > 1`,
      counted: countOf('ledger_entries'),
    },
    lately: (window) => ({
      sql: `SELECT e.gid, e.branch, e.op, e.account_id, COUNT(*) AS booked FROM ${newBookings(window)}
              GROUP BY e.gid, e.branch, e.op, e.account_id HAVING booked > 1`,
      counted: countEntries(window),
    }),
  },
  {
    id: 'H',
    name: 'nothing is written in an epoch that is over, or not yet',
    databases: 'reserving',
    whole: {
      sql: `SELECT f.gid, f.branch, f.epoch FROM fence f
              JOIN region_epoch r ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `SELECT f.gid, f.branch, f.epoch FROM ${newEffects(window)} f
              JOIN region_epoch r ON f.epoch > r.epoch OR (f.epoch < r.epoch AND f.created_at > r.changed_at)`,
      counted: countFence(window),
    }),
  },
  {
    id: 'H',
    name: 'nothing is written in an epoch that is over, or not yet',
    databases: ['accord'],
    whole: {
      sql: `SELECT f.gid, f.branch, f.epoch FROM fence f WHERE f.epoch > (SELECT MAX(epoch) FROM cluster_state)`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `SELECT f.gid, f.branch, f.epoch FROM ${newEffects(window)} f
              WHERE f.epoch > (SELECT MAX(epoch) FROM cluster_state)`,
      counted: countFence(window),
    }),
  },
  {
    id: 'J',
    name: 'holds and credits are what the fence says',
    databases: ['accounts'],
    whole: {
      sql: `${againstFence('holds', holdStates)} UNION ALL ${againstFence('credits', creditStates)}
            UNION ALL ${onlyInFence('fence', 'holds', 'credits')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `${newAgainstFence(window, 'holds', holdStates)} UNION ALL ${newAgainstFence(window, 'credits', creditStates)}
            UNION ALL ${onlyInFence(newEffects(window), 'holds', 'credits')}`,
      counted: countFence(window),
    }),
  },
  {
    id: 'J',
    name: 'reserved stock is what the fence says',
    databases: ['inventory'],
    whole: {
      sql: `${againstFence('reservations', stockStates)} UNION ALL ${onlyInFence('fence', 'reservations')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `${newAgainstFence(window, 'reservations', stockStates)}
            UNION ALL ${onlyInFence(newEffects(window), 'reservations')}`,
      counted: countFence(window),
    }),
  },
  {
    id: 'J',
    name: 'reserved coupons are what the fence says',
    databases: ['coupons'],
    whole: {
      sql: `${againstFence('coupon_reservations', couponStates)} UNION ALL ${onlyInFence('fence', 'coupon_reservations')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `${newAgainstFence(window, 'coupon_reservations', couponStates)}
            UNION ALL ${onlyInFence(newEffects(window), 'coupon_reservations')}`,
      counted: countFence(window),
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
    id: 'P',
    name: 'a payment gives back no more than it took',
    databases: ['accounts'],
    whole: {
      sql: `SELECT payment_id, captured, refunding, refunded FROM payments WHERE refunding + refunded > captured`,
      counted: countOf('payments'),
    },
    lately: (window) => ({
      sql: `SELECT p.payment_id, p.captured, p.refunding, p.refunded FROM ${newPayments(window)}
              WHERE p.refunding + p.refunded > p.captured`,
      counted: countFence(window),
    }),
  },
  {
    id: 'P2',
    name: 'what a payment gives back is the sum of its refunds',
    databases: ['accounts'],
    whole: {
      sql: paymentsAgainstRefunds(
        `payments p LEFT JOIN (SELECT b.payment_id, ${refundSumsOf('b')} FROM refunds b GROUP BY b.payment_id) r
           ON r.payment_id = p.payment_id`,
      ),
      counted: countOf('payments'),
    },
    lately: (window) => ({
      sql: paymentsAgainstRefunds(`
        (SELECT n.payment_id, ${refundSumsOf('r')}
           FROM (SELECT DISTINCT b.payment_id FROM ${newEffects(window)} f
                   STRAIGHT_JOIN refunds b ON b.gid = f.gid AND b.branch = f.branch) n
           STRAIGHT_JOIN refunds r ON r.payment_id = n.payment_id GROUP BY n.payment_id) r
        STRAIGHT_JOIN payments p ON p.payment_id = r.payment_id`),
      counted: countFence(window),
    }),
  },
  {
    id: 'P3',
    name: 'a payment is completed when it was captured, and its money was booked',
    databases: ['accounts'],
    whole: {
      sql: paymentsAgainstEntries(
        `payments p LEFT JOIN (SELECT gid, SUM(amount) AS s FROM ledger_entries WHERE amount > 0 GROUP BY gid) l
           ON l.gid = p.gid`,
      ),
      counted: countOf('payments'),
    },
    lately: (window) => ({
      sql: paymentsAgainstEntries(
        `${newPayments(window)}
         LEFT JOIN LATERAL (SELECT SUM(e.amount) AS s FROM ledger_entries e
                              WHERE e.gid = p.gid AND e.amount > 0) l ON TRUE`,
      ),
      counted: countFence(window),
    }),
  },
  {
    id: 'S',
    name: "a merchant's movements are its entries",
    databases: ['accounts'],
    whole: {
      sql: `${entriesWithoutMovement('')} UNION ALL ${movementsWithoutEntry('')}`,
      counted: countOf('merchant_movements'),
    },
    lately: (window) => ({
      sql: `${entriesWithoutMovement(`AND l.id > ${window.after.ledger_entries}`)}
            UNION ALL ${movementsWithoutEntry(`AND m.id > ${window.after.merchant_movements}`)}`,
      counted: countEntries(window),
    }),
  },
  {
    id: 'S2',
    name: 'a position is the sum of the movements that were claimed for it',
    databases: ['accounts'],
    whole: {
      sql: positionsAgainstMovements(''),
      counted: countOf('settlement_positions'),
    },
    lately: (window) => ({
      sql: positionsAgainstMovements(
        `AND settlement_id IN (SELECT n.settlement_id FROM ${settlementsOf(window)})`,
      ),
      counted: countOf(settlementsOf(window)),
    }),
  },
  {
    id: 'S3',
    name: 'a closed settlement is the sum of its positions',
    databases: ['accounts'],
    ...always({
      sql: `SELECT s.settlement_id, s.movements, s.credited, s.debited, p.n, p.credits, p.debits
              FROM settlements s
              LEFT JOIN (SELECT settlement_id, SUM(movements) AS n, SUM(credited) AS credits, SUM(debited) AS debits
                           FROM settlement_positions GROUP BY settlement_id) p ON p.settlement_id = s.settlement_id
              WHERE s.state = 'closed' AND (s.movements <> COALESCE(p.n, 0) OR s.credited <> COALESCE(p.credits, 0)
                OR s.debited <> COALESCE(p.debits, 0))`,
      counted: countOf('settlements'),
    }),
  },
  {
    id: 'V',
    name: 'a view has seen what was consumed for it',
    databases: ['orders'],
    whole: { sql: consumedAgainstViews(''), counted: countOf('consumed') },
    lately: ({ after }) => ({
      sql: consumedAgainstViews(`AND o.id > ${after.outbox}`),
      counted: countOf(`outbox WHERE id > ${after.outbox}`),
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

/** The databases that an oracle is asked in. */
export const databasesOf = ({ databases }: Pick<Oracle, 'databases'>): readonly Database[] =>
  typeof databases === 'string' ? application()[databases] : databases;
