/** Stock, money, order views and events of the demo's tenant: what there is, and what there must be. */
import { randomUUID } from 'node:crypto';

import { eventIdHeader, topics } from '../../contracts/events';
import { orderStatuses } from '../../contracts/orders';
import { runStates } from '../../contracts/transaction';
import { createLogger } from '../../processes/logger';
import { allTopics, createKafka, ensureTopics } from '../../workers/relay/kafka-client';
import type { Database } from '../databases';
import { pause } from '../stack/waiting';
import type { Scene } from './scene';

/** Numbers by name, such as `stock S-1 available`. */
export type Books = ReadonlyMap<string, number>;

export interface Line {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  readonly expected: number;
}

/** How each number changes by the six runs; every other number stays as it is. */
const expectedChanges: Readonly<Record<string, number>> = {
  'stock S-1 available': -3, // Two pieces completed, one after the kill; the others are back.
  'stock S-1 sold': 3,
  'account A-1 free': -1_250,
  'account A-2 free': -700,
  'account merchant-EUR free': 1_950,
  'orders completed': 2,
  'order views completed': 2,
  'transactions completed': 2,
  'transactions compensated': 4,
  'events in accord.inventory': 10, // Reserved and sold, or released: five runs got that far.
  'events in accord.accounts': 8, // Held, consumed, captured: twice; held and released: once.
  'events in accord.orders': 4,
  'endings in accord.transactions': 6,
};

export const compare = (before: Books, after: Books): readonly Line[] =>
  [...after].map(([name, value]) => {
    const old = before.get(name) ?? 0;
    return { name, before: old, after: value, expected: old + (expectedChanges[name] ?? 0) };
  });

/** @param records what came to Kafka, by topic. */
export async function readBooks(scene: Scene, records: EventRecords): Promise<Books> {
  return new Map([
    ...(await stockOf(scene)),
    ...(await moneyOf(scene)),
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
    WHERE gid LIKE CONCAT('order:', ?, '.%') AND reserves = 1 AND state = 'acted'`;
  const entries = (['inventory', 'accounts', 'orders'] as const).map(async (database) => {
    const [row] = await scene.rows<{ n: number }>(database, left, [scene.tenant]);
    return [`reservations left in ${database}`, row?.n ?? 0] as const;
  });
  return Promise.all(entries);
}

/** Of `accord.transactions` the endings alone: what happens in between depends on how quick the machine is. */
function eventsOf(records: EventRecords): Entries {
  const participants = [topics.inventory, topics.accounts, topics.orders];
  const endings = [...records.eventIds(topics.transactions)].filter((id) =>
    /\/(completed|compensated)\//.test(id),
  );
  return [
    ...participants.map((topic) => [`events in ${topic}`, records.eventIds(topic).size] as const),
    [`endings in ${topics.transactions}`, endings.length],
  ];
}

/** Events of the tenant as they come to Kafka; each may come more than once, and counts once. */
export interface EventRecords {
  eventIds(topic: string): ReadonlySet<string>;
  close(): Promise<void>;
}

export async function watchEvents(
  brokers: readonly string[],
  tenant: string,
): Promise<EventRecords> {
  const settings = { brokers, topicPrefix: '' };
  const kafka = createKafka(settings, {
    clientId: 'accord-demo',
    logger: createLogger({ process: 'demo', level: 'silent' }),
  });
  await ensureTopics(kafka, allTopics(settings));
  const groupId = `accord-demo-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 });
  const seen = new Map<string, Set<string>>(allTopics(settings).map((topic) => [topic, new Set()]));
  await consumer.connect();
  await consumer.subscribe({ topics: [...seen.keys()], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ topic, message }) => {
      const eventId = String(message.headers?.[eventIdHeader]);
      if (eventId.startsWith(`order:${tenant}.`)) seen.get(topic)?.add(eventId);
      return Promise.resolve();
    },
  });
  return {
    eventIds: (topic) => seen.get(topic) ?? new Set(),
    async close() {
      await consumer.disconnect();
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteGroups([groupId]);
      await admin.disconnect();
    },
  };
}

const quietWithinMs = 30_000;

/**
 * Waits until every event of the tenant is in Kafka and has been applied: outbox rows marked, each of them seen by a
 * consumer of ours, and the order view's consumer as far as the orders are.
 *
 * @throws naming what is missing.
 */
export async function waitForEvents(scene: Scene, records: EventRecords): Promise<void> {
  const deadline = Date.now() + quietWithinMs;
  for (;;) {
    const missing = await missingEvents(scene, records);
    if (missing.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(`Not in Kafka, or not applied: ${missing.join(', ')}.`);
    await pause(100);
  }
}

async function missingEvents(scene: Scene, records: EventRecords): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const database of ['inventory', 'accounts', 'orders', 'accord'] as const) {
    const events = await scene.rows<{ event_id: string; topic: string; published_at: Date | null }>(
      database,
      `SELECT event_id, topic, published_at FROM outbox WHERE gid LIKE CONCAT('order:', ?, '.%')`,
      [scene.tenant],
    );
    for (const { event_id, topic, published_at } of events) {
      if (published_at === null || !records.eventIds(topic).has(event_id)) missing.push(event_id);
    }
  }
  const behind = await scene.rows<{ order_id: string }>(
    'orders',
    `SELECT o.order_id FROM orders o LEFT JOIN order_views v ON v.order_id = o.order_id AND v.version = o.version
       WHERE o.order_id LIKE CONCAT(?, '.%') AND v.order_id IS NULL`,
    [scene.tenant],
  );
  return [...missing, ...behind.map(({ order_id }) => `view of ${order_id}`)];
}
