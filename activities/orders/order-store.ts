import {
  partsOfBusinessId,
  stepKeyOf,
  type BusinessId,
  type StepKey,
} from '../../contracts/engine/ids';
import type { CreateOrder, orders, OrderStatus } from '../../contracts/participants/orders';
import type { ActImplementation, FollowUpImplementation } from '../fence/implement';
import type { Decided, EventOf, SqlTransaction } from '../fence/participant';
import { chunksOf, effectOf, expectRows } from '../fence/set-statements';
import { lockCustomerTokens, raiseCustomerTokens } from './customer-tokens';

type OrderEvent = EventOf<typeof orders>;

/** Data for the decisions on a set. Each accepted request changes them for the next ones. */
interface Known {
  readonly tokens: Map<BusinessId, bigint>;
  readonly raised: Map<BusinessId, bigint>;
  readonly orderIds: Set<BusinessId>;
}

/** An event of an order's stream. */
interface StreamEvent {
  readonly key: StepKey;
  readonly orderId: BusinessId;
  readonly version: number;
  readonly event: OrderEvent;
}

/** Versions of a stream: an order is created once and ends once. */
const versions = { created: 1, ended: 2 } as const;

/**
 * `createOrder`: writes the order, its lines and the first event. Only this act compares the token of the customer
 * lock.
 */
export const createOrder: ActImplementation<CreateOrder, null, OrderEvent> = {
  // Without the fencing token: a repeated order may have a newer one.
  content: ({ orderId, customerId, lines, amount, discount }) => ({
    orderId,
    customerId,
    lines,
    amount,
    ...(discount && { discount }),
  }),
  rows: ({ lines }) => lines.length + 1,
  async effect(sql, requests) {
    const known = await lockKnown(sql, requests);
    const decided = requests.map((request) => decide(request, known));
    const created = requests.filter((_, at) => decided[at]?.ok);
    await raiseCustomerTokens(sql, known.raised);
    await insertOrders(sql, created);
    await insertLines(sql, created);
    await appendEvents(sql, created.map(creationOf));
    return decided;
  },
};

/** `cancelOrder`: the order stays, with the status cancelled. */
export const cancelOrder: FollowUpImplementation<OrderEvent> = {
  effect: (sql, keys) => end(sql, keys, 'cancelled'),
};

/** `completeOrder`. */
export const completeOrder: FollowUpImplementation<OrderEvent> = {
  effect: (sql, keys) => end(sql, keys, 'completed'),
};

/** Locks customers before orders, as every effect does. */
async function lockKnown(sql: SqlTransaction, requests: readonly CreateOrder[]): Promise<Known> {
  const locked = requests.filter(({ fencingToken }) => fencingToken !== null);
  const tokens = await lockCustomerTokens(
    sql,
    locked.map(({ customerId }) => customerId),
  );
  const orderIds = await existingOrders(sql, requests.map(({ orderId }) => orderId).sort());
  return { tokens, raised: new Map(), orderIds };
}

async function existingOrders(
  sql: SqlTransaction,
  orderIds: readonly BusinessId[],
): Promise<Set<BusinessId>> {
  const existing = new Set<BusinessId>();
  for (const keys of chunksOf(orderIds)) {
    const rows = await sql.select<{ readonly order_id: string }>(
      'SELECT order_id FROM orders FORCE INDEX (PRIMARY) WHERE order_id IN (?)',
      [keys],
    );
    for (const { order_id } of rows) existing.add(order_id);
  }
  return existing;
}

function decide(request: CreateOrder, known: Known): Decided<null, OrderEvent> {
  const { key, orderId, customerId, fencingToken } = request;
  if (known.orderIds.has(orderId)) {
    // Order and checkout are two flows with one kind of id: the second one is refused.
    const detail = `Order ${partsOfBusinessId(orderId)?.id ?? orderId} exists already.`;
    return { key, ok: false, failure: 'ParticipantRefused', detail };
  }
  if (fencingToken !== null) {
    const newest = known.tokens.get(customerId) ?? 0n;
    const token = BigInt(fencingToken);
    if (token < newest) {
      const detail = `Customer ${customerId}: token ${token}, newest ${newest}.`;
      return { key, ok: false, failure: 'LockLost', detail };
    }
    if (token > newest) known.raised.set(customerId, token);
    known.tokens.set(customerId, token);
  }
  known.orderIds.add(orderId);
  return { key, ok: true, result: null, event: creationOf(request).event };
}

async function insertOrders(sql: SqlTransaction, requests: readonly CreateOrder[]): Promise<void> {
  const rows = requests.map(({ key, orderId, customerId, amount, discount }) => {
    const { gid, branch } = effectOf(key);
    const { currency, minorUnits } = amount;
    return [orderId, customerId, gid, branch, currency, minorUnits, discount?.minorUnits ?? 0];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      `INSERT INTO orders (order_id, customer_id, gid, branch, currency, amount_minor, discount_minor)
         VALUES ?`,
      [values],
    );
  }
}

async function insertLines(sql: SqlTransaction, requests: readonly CreateOrder[]): Promise<void> {
  const rows = requests.flatMap(({ orderId, lines }) =>
    lines.map(({ sku, quantity, unitPrice }, at) => [
      orderId,
      at + 1,
      sku,
      quantity,
      unitPrice.minorUnits,
      unitPrice.currency,
    ]),
  );
  for (const values of chunksOf(rows)) {
    await sql.change(
      'INSERT INTO order_lines (order_id, line_no, sku, qty, unit_price_minor, currency) VALUES ?',
      [values],
    );
  }
}

/** We hold the fence rows, so the orders are found without a lock, and change by primary key. */
async function end(
  sql: SqlTransaction,
  keys: readonly StepKey[],
  status: Exclude<OrderStatus, 'created'>,
): Promise<ReadonlyMap<StepKey, OrderEvent>> {
  const endings = (await ordersOf(sql, keys)).map(({ key, orderId }) =>
    streamEvent(key, orderId, versions.ended, { type: `order.${status}`, data: { orderId } }),
  );
  expectRows('orders', endings.length, keys.length);
  for (const chunk of chunksOf(endings)) {
    const changed = await sql.change(
      `UPDATE orders FORCE INDEX (PRIMARY) SET status = ?, version = ?
         WHERE order_id IN (?) AND status = 'created' ORDER BY order_id`,
      [status, versions.ended, chunk.map(({ orderId }) => orderId)],
    );
    expectRows('orders', changed, chunk.length);
  }
  await appendEvents(sql, endings);
  return new Map(endings.map(({ key, event }) => [key, event]));
}

async function ordersOf(
  sql: SqlTransaction,
  keys: readonly StepKey[],
): Promise<readonly { readonly key: StepKey; readonly orderId: BusinessId }[]> {
  const found: { key: StepKey; orderId: BusinessId }[] = [];
  for (const effects of chunksOf(keys.map(effectOf))) {
    const rows = await sql.select<{
      readonly gid: string;
      readonly branch: string;
      readonly order_id: string;
    }>(
      `SELECT gid, branch, order_id FROM orders FORCE INDEX (by_effect)
         WHERE (gid, branch) IN (?) ORDER BY gid, branch`,
      [effects.map(({ gid, branch }) => [gid, branch])],
    );
    for (const row of rows) {
      found.push({ key: stepKeyOf(row.gid, row.branch), orderId: row.order_id });
    }
  }
  return found;
}

/** The stream's key (order, version) refuses a second event of one version. */
async function appendEvents(sql: SqlTransaction, events: readonly StreamEvent[]): Promise<void> {
  const rows = events.map(({ key, orderId, version, event }) => {
    const { gid, branch } = effectOf(key);
    return [orderId, version, event.type, gid, branch, JSON.stringify(event.data)];
  });
  for (const values of chunksOf(rows)) {
    await sql.change(
      'INSERT INTO events (aggregate_id, version, type, gid, branch, data) VALUES ?',
      [values],
    );
  }
}

function creationOf(order: CreateOrder): StreamEvent {
  const { key, orderId, customerId, amount, lines, discount } = order;
  const data: EventOf<typeof orders, 'order.created'>['data'] = {
    orderId,
    customerId,
    amount,
    lines,
    ...(discount && { discount }),
  };
  return streamEvent(key, orderId, versions.created, { type: 'order.created', data });
}

/** Its outbox aggregate is the order, its sequence the version: consumers see the stream in order. */
const streamEvent = (
  key: StepKey,
  orderId: BusinessId,
  version: number,
  event: OrderEvent,
): StreamEvent => ({
  key,
  orderId,
  version,
  event: { ...event, aggregate: { id: orderId, sequence: version } },
});
