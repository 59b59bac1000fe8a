/** What holds of accounts, payments and settlements at any moment. */
import {
  accountSums,
  accountSumsAgainstEntries,
  balancesAgainstEntries,
  heldAgainstHolds,
} from './account-sums';
import {
  againstFence,
  always,
  countFence,
  countOf,
  newAgainstFence,
  newEffects,
  newest,
  onlyInFence,
  type Oracle,
  type Window,
} from '../oracle';

const holdStates = { open: 'held', done: 'captured', back: 'released' };
const creditStates = { open: 'reserved', done: 'credited', back: 'released' };

/** Effects that have an entry among the newest, each with all of its entries. */
const newBookings = (window: Window): string =>
  `(SELECT DISTINCT gid, branch, op FROM ledger_entries WHERE id > ${newest(window, 'ledger_entries')}) n
     STRAIGHT_JOIN ledger_entries e ON e.gid = n.gid AND e.branch = n.branch AND e.op = n.op`;
const countEntries = (window: Window): string =>
  countOf(`ledger_entries WHERE id > ${newest(window, 'ledger_entries')}`);

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

export const accountsOracles: readonly Oracle[] = [
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
      keys: `SELECT account_id AS id FROM ledger_entries WHERE id > ${newest(window, 'ledger_entries')}
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
    name: 'a stored sum of an account is the sum of its entries',
    databases: ['accounts'],
    whole: { sql: accountSumsAgainstEntries, counted: countOf('account_sums') },
    lately: null,
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
      sql: `${entriesWithoutMovement(`AND l.id > ${newest(window, 'ledger_entries')}`)}
            UNION ALL ${movementsWithoutEntry(`AND m.id > ${newest(window, 'merchant_movements')}`)}`,
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
];
