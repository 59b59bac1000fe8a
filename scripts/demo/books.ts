/**
 * Stock, money, coupons, payments, order views and events of the demo's tenant: what there is, and what there must be.
 */
import { topicOf, transactionsTopic } from '../../contracts/engine/events';
import { moneyText } from '../../contracts/engine/money';
import { orderStatuses } from '../../contracts/participants/orders';
import { paymentStatuses } from '../../contracts/participants/payments';
import { runStates } from '../../contracts/engine/transaction';
import type { Database } from '../../runtime/databases/shop';
import type { EventRecords } from './events';
import type { Changes } from './planned-run';
import type { Scene } from './scene';
import { gidsOf, ofTenant } from './tenant';

const participants = ['inventory', 'accounts', 'orders', 'coupons'] as const;

/** Numbers by name, such as `stock S-1 available`. */
export type Books = ReadonlyMap<string, number>;

export interface Line {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  readonly expected: number;
}

/** @param changes by all runs together; a name that no book has is a mistake in the plan, and shows. */
export const compare = (before: Books, after: Books, changes: Changes): readonly Line[] =>
  [...new Set([...after.keys(), ...Object.keys(changes)])].map((name) => {
    const old = before.get(name) ?? 0;
    return { name, before: old, after: after.get(name) ?? 0, expected: old + (changes[name] ?? 0) };
  });

/** A number of the books as people read it: money of the tenant's accounts in euros, everything else as counted. */
export const shownAs = (name: string, value: number): string =>
  name.startsWith('account ') ? moneyText({ currency: 'EUR', minorUnits: value }) : String(value);

/** @param records what came to Kafka, by topic. */
export async function readBooks(scene: Scene, records: EventRecords): Promise<Books> {
  return new Map([
    ...(await stockOf(scene)),
    ...(await moneyOf(scene)),
    ...(await couponsOf(scene)),
    ...(await paymentsOf(scene)),
    ...(await ordersOf(scene)),
    ...(await transactionsOf(scene)),
    ...(await reservationsLeft(scene)),
    ...eventsOf(records),
  ]);
}

type Entries = readonly (readonly [name: string, value: number])[];

/** Names leave the tenant out. */
const named = (scene: Scene, id: string): string => id.slice(scene.tenant.length + 1);

async function stockOf(scene: Scene): Promise<Entries> {
  const rows = await scene.rows<{ sku: string; available: number; frozen: number; sold: number }>(
    'inventory',
    'SELECT sku, available, frozen, sold FROM stock WHERE tenant = ? ORDER BY sku',
    [scene.tenant],
  );
  return rows.flatMap(({ sku, available, frozen, sold }) => [
    [`stock ${named(scene, sku)} available`, available] as const,
    [`stock ${named(scene, sku)} frozen`, frozen] as const,
    [`stock ${named(scene, sku)} sold`, sold] as const,
  ]);
}

async function moneyOf(scene: Scene): Promise<Entries> {
  const rows = await scene.rows<{ id: string; balance: number; held: number }>(
    'accounts',
    `SELECT id, balance, held FROM accounts WHERE tenant = ? AND currency = 'EUR' ORDER BY id`,
    [scene.tenant],
  );
  return rows.flatMap(({ id, balance, held }) => [
    [`account ${named(scene, id)} free`, balance] as const,
    [`account ${named(scene, id)} held`, held] as const,
  ]);
}

async function couponsOf(scene: Scene): Promise<Entries> {
  const rows = await scene.rows<{ id: string; available: number; frozen: number; used: number }>(
    'coupons',
    'SELECT id, available, frozen, used FROM coupons WHERE tenant = ? ORDER BY id',
    [scene.tenant],
  );
  return rows.flatMap(({ id, available, frozen, used }) => [
    [`coupon ${named(scene, id)} available`, available] as const,
    [`coupon ${named(scene, id)} frozen`, frozen] as const,
    [`coupon ${named(scene, id)} used`, used] as const,
  ]);
}

async function paymentsOf(scene: Scene): Promise<Entries> {
  const payments =
    'SELECT status AS name, COUNT(*) AS n FROM payments WHERE tenant = ? GROUP BY status';
  const refunds =
    'SELECT state AS name, COUNT(*) AS n FROM refunds WHERE tenant = ? GROUP BY state';
  return [
    ...(await countsOf(scene, 'payments', 'accounts', payments, paymentStatuses)),
    ...(await countsOf(scene, 'refunds', 'accounts', refunds, ['completed'])),
  ];
}

/** What was written, and what the consumer made of its events. */
async function ordersOf(scene: Scene): Promise<Entries> {
  const orders = `SELECT status AS name, COUNT(*) AS n FROM orders WHERE order_id LIKE CONCAT(?, '.%') GROUP BY status`;
  const views =
    'SELECT status AS name, COUNT(*) AS n FROM order_views WHERE tenant = ? GROUP BY status';
  return [
    ...(await countsOf(scene, 'orders', 'orders', orders, orderStatuses)),
    ...(await countsOf(scene, 'order views', 'orders', views, orderStatuses)),
  ];
}

function transactionsOf(scene: Scene): Promise<Entries> {
  const runs = 'SELECT state AS name, COUNT(*) AS n FROM runs WHERE tenant = ? GROUP BY state';
  return countsOf(scene, 'transactions', 'accord', runs, runStates);
}

/** One number a name, zero where there are none. @param sql answers with `name` and `n`, for one tenant. */
async function countsOf(
  scene: Scene,
  what: string,
  database: Database,
  sql: string,
  names: readonly string[],
): Promise<Entries> {
  const rows = await scene.rows<{ name: string; n: number }>(database, sql, [scene.tenant]);
  const counts = new Map(rows.map(({ name, n }) => [name, n]));
  return names.map((name) => [`${what} ${name}`, counts.get(name) ?? 0] as const);
}

/** A reservation ends confirmed or undone; one that is still there is a leak. */
async function reservationsLeft(scene: Scene): Promise<Entries> {
  const left = `SELECT COUNT(*) AS n FROM fence
    WHERE (${ofTenant('gid')}) AND reserves = 1 AND state = 'acted'`;
  const entries = participants.map(async (database) => {
    const [row] = await scene.rows<{ n: number }>(database, left, gidsOf(scene));
    return [`reservations left in ${database}`, row?.n ?? 0] as const;
  });
  return Promise.all(entries);
}

/** Only endings count of `accord.transactions`. The events before them depend on the speed of the machine. */
function eventsOf(records: EventRecords): Entries {
  const of = participants.map((database) => topicOf(database));
  const endings = [...records.eventIds(transactionsTopic)].filter((id) =>
    /\/(completed|compensated)\//.test(id),
  );
  return [
    ...of.map((topic) => [`events in ${topic}`, records.eventIds(topic).size] as const),
    [`endings in ${transactionsTopic}`, endings.length],
  ];
}
