import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { createOrders } from '../../../../activities/orders/activities';
import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { gidOf, stepKeyOf } from '../../../../contracts/engine/ids';
import type { CreateOrder, OrdersActivities } from '../../../../contracts/participants/orders';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { participantFence } from '../../../support/participant-fence';
import { eventsAgainstCatalogue } from '../../../support/catalogue';

let databases: OwnDatabases;
let pool: SqlPool;
let orders: OrdersActivities;

beforeAll(async () => {
  databases = await ownDatabases(['orders']);
  pool = databases.pool(databases.urls.ORDERS_DATABASE_URL);
  orders = createOrders(participantFence(pool));
});
afterAll(() => databases.drop());

const keyed = ({ key }: CreateOrder) => ({ key, minEpoch: 1 });

function anOrder(more: Partial<CreateOrder> = {}): CreateOrder {
  const orderId = more.orderId ?? `acme.O-${randomUUID()}`;
  return {
    key: stepKeyOf(gidOf('order', orderId), 'createOrder'),
    minEpoch: 1,
    orderId,
    customerId: `acme.C-${randomUUID()}`,
    lines: [
      { sku: 'acme.S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 500 } },
      { sku: 'acme.S-2', quantity: 1, unitPrice: { currency: 'EUR', minorUnits: 250 } },
    ],
    amount: { currency: 'EUR', minorUnits: 1_250 },
    fencingToken: null,
    ...more,
  };
}

async function statusOf(orderId: string): Promise<string | undefined> {
  const [row] = await pool.select<{ status: string }>(
    'SELECT status FROM orders WHERE order_id = ?',
    [orderId],
  );
  return row?.status;
}

async function tokenOf(customerId: string): Promise<string | undefined> {
  const [row] = await pool.select<{ fencing_token: string }>(
    'SELECT fencing_token FROM customers WHERE customer_id = ?',
    [customerId],
  );
  return row?.fencing_token;
}

const streamOf = (orderId: string) =>
  pool.select<{ version: number; type: string; data: object }>(
    'SELECT version, type, data FROM events WHERE aggregate_id = ? ORDER BY version',
    [orderId],
  );
const outboxOf = (orderId: string) =>
  pool.select<{ sequence: number; type: string; topic: string; payload: object }>(
    'SELECT sequence, type, topic, payload FROM outbox WHERE aggregate_id = ? ORDER BY id',
    [orderId],
  );

describe('creating an order', () => {
  it('may cost nothing where a discount takes off all of it, and not otherwise', async () => {
    const nothing = { currency: 'EUR', minorUnits: 0 } as const;
    const discount = { currency: 'EUR', minorUnits: 1_250 } as const;
    const free = anOrder({ amount: nothing, discount });
    expect(await orders.createOrder([free])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await statusOf(free.orderId)).toBe('created');
    await expect(orders.createOrder([anOrder({ amount: nothing })])).rejects.toThrow(
      'free_by_discount_alone',
    );
  });

  it('writes the order, its lines, the first event of its stream and the same event for Kafka', async () => {
    const order = anOrder();
    expect(await orders.createOrder([order])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await statusOf(order.orderId)).toBe('created');
    expect(
      await pool.select(
        'SELECT line_no, sku, qty, unit_price_minor, currency FROM order_lines WHERE order_id = ? ORDER BY line_no',
        [order.orderId],
      ),
    ).toEqual([
      { line_no: 1, sku: 'acme.S-1', qty: 2, unit_price_minor: '500', currency: 'EUR' },
      { line_no: 2, sku: 'acme.S-2', qty: 1, unit_price_minor: '250', currency: 'EUR' },
    ]);
    const { orderId, customerId, lines, amount } = order;
    const data = { orderId, customerId, lines, amount };
    expect(await streamOf(orderId)).toEqual([{ version: 1, type: 'order.created', data }]);
    expect(await outboxOf(orderId)).toEqual([
      { sequence: 1, type: 'order.created', topic: 'accord.orders', payload: data },
    ]);
  });

  it('answers a repeated key, one after the other and twenty at once, with one order', async () => {
    const order = anOrder();
    await orders.createOrder([order]);
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => orders.createOrder([order])),
    );
    expect(verdicts.flat().map(({ fence }) => fence)).toEqual(Array(20).fill('duplicate'));
    expect(await streamOf(order.orderId)).toHaveLength(1);
  });

  it('refuses an order that another transaction has made', async () => {
    const first = anOrder();
    const second = {
      ...first,
      key: stepKeyOf(gidOf('order', `acme.${randomUUID()}`), 'createOrder'),
    };
    await orders.createOrder([first]);
    expect(await orders.createOrder([second])).toMatchObject([
      { ok: false, failure: 'ParticipantRefused' },
    ]);
    expect(await streamOf(first.orderId)).toHaveLength(1);
  });

  it('refuses it also where both stand in one set', async () => {
    const first = anOrder();
    const second = { ...first, key: `${first.key}-2` };
    const verdicts = await orders.createOrder([first, second]);
    expect(verdicts.map(({ branch, ok }) => [branch, ok])).toEqual(
      expect.arrayContaining([
        ['createOrder', true],
        ['createOrder-2', false],
      ]),
    );
  });

  it('fences the order whose cancellation came first', async () => {
    const order = anOrder();
    expect(await orders.cancelOrder([keyed(order)])).toMatchObject([{ ok: true, fence: 'empty' }]);
    expect(await orders.createOrder([order])).toMatchObject([{ failure: 'Fenced' }]);
    expect(await statusOf(order.orderId)).toBeUndefined();
  });
});

describe('the token of the customer lock', () => {
  it('is written where it is newer, and refuses what comes with an older one', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    const newer = anOrder({ customerId, fencingToken: '4294967299' });
    const older = anOrder({ customerId, fencingToken: '4294967298' });
    await orders.createOrder([newer]);
    expect(await orders.createOrder([older])).toMatchObject([{ ok: false, failure: 'LockLost' }]);
    expect(await statusOf(older.orderId)).toBeUndefined();
    expect(await tokenOf(customerId)).toBe('4294967299');
  });

  it('lets the same order through once its lock was acquired again', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    await orders.createOrder([anOrder({ customerId, fencingToken: '7' })]);
    const late = anOrder({ customerId, fencingToken: '6' });
    expect(await orders.createOrder([late])).toMatchObject([{ failure: 'LockLost' }]);
    const again = { ...late, fencingToken: '8' };
    expect(await orders.createOrder([again])).toMatchObject([{ ok: true, fence: 'first' }]);
    expect(await orders.createOrder([{ ...late, fencingToken: '5' }])).toMatchObject([
      { ok: true, fence: 'duplicate' },
    ]);
    expect(await tokenOf(customerId)).toBe('8');
  });

  it('keeps all 64 bits', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    const highest = '18446744073709551615';
    await orders.createOrder([anOrder({ customerId, fencingToken: highest })]);
    expect(await tokenOf(customerId)).toBe(highest);
    expect(
      await orders.createOrder([anOrder({ customerId, fencingToken: '18446744073709551614' })]),
    ).toMatchObject([{ failure: 'LockLost' }]);
  });

  it('is neither compared nor written where no lock was taken', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    await orders.createOrder([anOrder({ customerId, fencingToken: '9' })]);
    expect(await orders.createOrder([anOrder({ customerId })])).toMatchObject([{ ok: true }]);
    expect(await tokenOf(customerId)).toBe('9');
    const stranger = anOrder();
    await orders.createOrder([stranger]);
    expect(await tokenOf(stranger.customerId)).toBeUndefined();
  });

  it('is never asked of a cancellation or a completion', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    const [cancelled, completed] = [
      anOrder({ customerId, fencingToken: '1' }),
      anOrder({ customerId, fencingToken: '2' }),
    ];
    await orders.createOrder([cancelled]);
    await orders.createOrder([completed]);
    await orders.createOrder([anOrder({ customerId, fencingToken: '100' })]);
    expect(await orders.cancelOrder([keyed(cancelled)])).toMatchObject([{ ok: true }]);
    expect(await orders.completeOrder([keyed(completed)])).toMatchObject([{ ok: true }]);
  });

  it('never falls, whatever order two first orders of a customer commit in', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    const tokens = Array.from({ length: 12 }, (_, n) => String(n + 1));
    const verdicts = await Promise.all(
      tokens.map((fencingToken) => orders.createOrder([anOrder({ customerId, fencingToken })])),
    );
    expect(verdicts.flat().some(({ ok }) => ok)).toBe(true);
    expect(await tokenOf(customerId)).toBe('12');
  });

  it('decides the requests of a set in turn', async () => {
    const customerId = `acme.C-${randomUUID()}`;
    const id = randomUUID();
    const set = ['5', '3', '6'].map((fencingToken, n) =>
      anOrder({ orderId: `acme.${id}-${n}`, customerId, fencingToken }),
    );
    const verdicts = await orders.createOrder(set);
    const outcomes = new Map(verdicts.map(({ gid, ok }) => [gid, ok]));
    expect(set.map(({ orderId }) => outcomes.get(gidOf('order', orderId)))).toEqual([
      true,
      false,
      true,
    ]);
    expect(await tokenOf(customerId)).toBe('6');
  });
});

describe('ending an order', () => {
  it.each([
    ['completeOrder', 'completed'],
    ['cancelOrder', 'cancelled'],
  ] as const)('%s appends the second event of the stream, once', async (activity, status) => {
    const set = Array.from({ length: 5 }, () => anOrder());
    await orders.createOrder(set);
    await Promise.all([orders[activity](set.map(keyed)), orders[activity](set.map(keyed))]);
    for (const { orderId } of set) {
      expect(await statusOf(orderId)).toBe(status);
      expect(await streamOf(orderId)).toMatchObject([
        { version: 1, type: 'order.created' },
        { version: 2, type: `order.${status}`, data: { orderId } },
      ]);
      expect(await outboxOf(orderId)).toMatchObject([{ sequence: 1 }, { sequence: 2 }]);
    }
  });

  it('does not complete what was never created, nor cancel what is complete', async () => {
    const order = anOrder();
    expect(await orders.completeOrder([keyed(anOrder())])).toMatchObject([
      { failure: 'InvariantBroken' },
    ]);
    await orders.createOrder([order]);
    await orders.completeOrder([keyed(order)]);
    expect(await orders.cancelOrder([keyed(order)])).toMatchObject([
      { failure: 'InvariantBroken' },
    ]);
    expect(await statusOf(order.orderId)).toBe('completed');
  });

  it('announces what the catalogue of events says', async () => {
    const { fit, misfits } = await eventsAgainstCatalogue(
      databases.pool(databases.adminUrl('orders')),
    );
    expect(misfits).toEqual([]);
    expect(fit).toBeGreaterThan(0);
  });
});
