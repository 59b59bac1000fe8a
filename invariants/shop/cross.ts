/** What holds of an order across the databases of the shop's participants. */
import type { Gid } from '../../contracts/engine/ids';
import type { CrossCheck, CrossViolation } from '../cross-database';
import type { Database, Reading } from '../reading';

interface OrderRow {
  readonly gid: Gid;
  readonly order_id: string;
  readonly amount: string;
  readonly discount: string;
}
interface Line {
  readonly gid: Gid;
  readonly sku: string;
  readonly qty: string;
}

/** For each order of these transactions, what the other participants have of it. */
const judgeAmounts: CrossCheck['judge'] = async (readings, ended) => {
  const { orders, accounts, inventory, coupons } = Object.fromEntries(readings) as Partial<
    Record<Database, Reading>
  >;
  const gids = ended.map(({ gid }) => gid);
  if (!orders || gids.length === 0) return { rows: 0, violations: [] };
  const states = new Map(ended.map(({ gid, state }) => [gid, state]));
  const placed = await orders.select<OrderRow>(
    `SELECT gid, order_id, CAST(amount_minor AS CHAR) AS amount, CAST(discount_minor AS CHAR) AS discount
       FROM orders WHERE gid IN (?)`,
    [gids],
  );
  const captured = await sumsOf(
    accounts,
    `SELECT gid, CAST(SUM(amount) AS CHAR) AS total FROM ledger_entries WHERE gid IN (?) AND amount > 0 GROUP BY gid`,
    gids,
  );
  const used = await sumsOf(
    coupons,
    `SELECT gid, CAST(SUM(state = 'used') AS CHAR) AS total FROM coupon_reservations WHERE gid IN (?) GROUP BY gid`,
    gids,
  );
  const ordered = linesOf(
    await orders.select<Line>(
      `SELECT o.gid, l.sku, CAST(SUM(l.qty) AS CHAR) AS qty FROM orders o JOIN order_lines l ON l.order_id = o.order_id
         WHERE o.gid IN (?) GROUP BY o.gid, l.sku ORDER BY o.gid, l.sku`,
      [gids],
    ),
  );
  const sold = linesOf(
    (await inventory?.select<Line>(
      `SELECT gid, sku, CAST(SUM(qty) AS CHAR) AS qty FROM reservations
         WHERE gid IN (?) AND state = 'sold' GROUP BY gid, sku ORDER BY gid, sku`,
      [gids],
    )) ?? [],
  );
  const violations: CrossViolation[] = [];
  for (const { gid, order_id, amount, discount } of placed) {
    const isCompleted = states.get(gid) === 'completed';
    const wanted = {
      captured: accounts && isCompleted ? amount : '0',
      sold: inventory && isCompleted ? (ordered.get(gid) ?? '') : '',
      coupons: coupons && isCompleted && discount !== '0' ? '1' : '0',
    };
    const seen = {
      captured: captured.get(gid) ?? '0',
      sold: sold.get(gid) ?? '',
      coupons: used.get(gid) ?? '0',
    };
    if (JSON.stringify(wanted) === JSON.stringify(seen)) continue;
    violations.push({ database: 'orders', row: { gid, order_id, wanted, seen } });
  }
  return { rows: placed.length, violations };
};

async function sumsOf(
  reading: Reading | undefined,
  sql: string,
  gids: readonly Gid[],
): Promise<ReadonlyMap<Gid, string>> {
  const rows =
    (await reading?.select<{ readonly gid: Gid; readonly total: string }>(sql, [gids])) ?? [];
  return new Map(rows.map(({ gid, total }) => [gid, total]));
}

function linesOf(lines: readonly Line[]): ReadonlyMap<Gid, string> {
  const texts = new Map<Gid, string>();
  for (const { gid, sku, qty } of lines) {
    texts.set(gid, `${texts.get(gid) ?? ''}${sku} x ${qty}; `);
  }
  return texts;
}

export const shopCrossChecks: readonly CrossCheck[] = [
  {
    id: 'X4',
    name: 'an order costs what was captured, and what it says was sold',
    judge: judgeAmounts,
  },
];
