import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Producer } from 'kafkajs';

import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import type { OrderEvent } from '../../../../contracts/participants/orders';
import type { EventProcessor } from '../../../../workers/consumers/event-processor';
import { createConsumer, type Consumer } from '../../../../workers/consumers/kafka-consumer';
import {
  createOrderViewProcessor,
  orderViewConsumer,
} from '../../../../workers/consumers/order-view/processor';
import { faultMenu } from '../../../../runtime/faults/menu';
import {
  inertFaultPoints,
  parseFaults,
  type DeliveryPoints,
} from '../../../../runtime/faults/points';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';
import { ownKafka, readyTopics, silentLogger, type OwnKafka } from '../../../support/kafka';

let databases: OwnDatabases;
let pool: SqlPool;
let admin: SqlPool;
let kafka: OwnKafka;
let producer: Producer;
/** A topic of this test only. */
let topic: string;
let groupId: string;
const consumers: Consumer[] = [];
const counted = { applied: 0, duplicate: 0, buried: 0, failed: 0 };

beforeAll(async () => {
  databases = await ownDatabases(['orders']);
  pool = databases.pool(databases.urls.CONSUMER_DATABASE_URL);
  admin = databases.pool(databases.adminUrl('orders'));
  kafka = await ownKafka();
  producer = kafka.kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
}, 60_000);
afterAll(async () => {
  await producer.disconnect();
  await kafka.drop();
  await databases.drop();
});
beforeEach(async () => {
  topic = `${kafka.settings.topicPrefix}${randomUUID().slice(0, 8)}`;
  groupId = topic;
  await readyTopics(kafka, [topic]);
  Object.assign(counted, { applied: 0, duplicate: 0, buried: 0, failed: 0 });
});
afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
});

const orderViews = (on = pool): EventProcessor =>
  createOrderViewProcessor({
    pool: on,
    logger: silentLogger,
    metrics: {
      applied: (events) => (counted.applied += events),
      duplicate: (events) => (counted.duplicate += events),
      buried: () => (counted.buried += 1),
      failed: () => (counted.failed += 1),
      lag: () => undefined,
    },
  });

function startConsumer(
  processor = orderViews(),
  faults: DeliveryPoints = inertFaultPoints,
): Consumer {
  const consumer = createConsumer({
    kafka: kafka.kafka,
    processor,
    logger: silentLogger,
    faults,
    onLag: () => undefined,
    settings: { groupId, topic, place: 'consumer.order-view', setRecordsMax: 50, concurrency: 3 },
  });
  consumer.start();
  consumers.push(consumer);
  return consumer;
}

const anOrderId = (): string => `acme.O-${randomUUID()}`;

const facts = {
  customerId: 'acme.C-1',
  amount: { currency: 'EUR', minorUnits: 1_250 },
  lines: [{ sku: 'acme.S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } }],
} satisfies Omit<Extract<OrderEvent, { type: 'order.created' }>['data'], 'orderId'>;

const stem = (orderId: string, sequence: number, op: string) => ({
  eventId: `order:${orderId}/createOrder/${op}/1`,
  gid: `order:${orderId}`,
  aggregateId: orderId,
  sequence,
  occurredAt: `2026-01-01T00:00:0${sequence}.000Z`,
});
const created = (orderId: string): OrderEvent => ({
  ...stem(orderId, 1, 'act'),
  type: 'order.created',
  data: { orderId, ...facts },
});
const completed = (orderId: string): OrderEvent => ({
  ...stem(orderId, 2, 'confirm'),
  type: 'order.completed',
  data: { orderId },
});

async function sent(...events: readonly OrderEvent[]): Promise<void> {
  await producer.send({
    topic,
    messages: events.map((event) => ({
      key: event.aggregateId,
      value: JSON.stringify(event),
      headers: { 'event-id': event.eventId },
    })),
  });
}

async function viewOf(orderId: string) {
  const [row] = await pool.select<{ status: string; version: number }>(
    'SELECT * FROM order_views WHERE order_id = ?',
    [orderId],
  );
  return row;
}
const completeView = (orderId: string) =>
  eventually(async () => {
    const view = await viewOf(orderId);
    return view?.status === 'completed' && view;
  });

const consumedOf = (orderId: string) =>
  pool.select('SELECT event_id FROM consumed WHERE consumer = ? AND event_id LIKE ?', [
    orderViewConsumer,
    `order:${orderId}/%`,
  ]);
const lettersOf = (of: string) =>
  admin.select<{
    error: string;
    attempts: number;
    event_id: string | null;
    payload: Buffer;
    offset_no: string;
  }>('SELECT * FROM dead_letters WHERE topic = ? ORDER BY id', [of]);

/** What the group would read next, over all partitions. */
async function committed(): Promise<number> {
  const client = kafka.kafka.admin();
  await client.connect();
  try {
    const [offsets] = await client.fetchOffsets({ groupId, topics: [topic] });
    return (offsets?.partitions ?? []).reduce(
      (sum, { offset }) => sum + Math.max(0, Number(offset)),
      0,
    );
  } finally {
    await client.disconnect();
  }
}

describe('the order view', () => {
  it('shows an order as its events tell it, from the beginning of the topic', async () => {
    const orderId = anOrderId();
    await sent(created(orderId), completed(orderId));
    startConsumer();
    expect(await completeView(orderId)).toMatchObject({
      order_id: orderId,
      tenant: 'acme',
      customer_id: 'acme.C-1',
      status: 'completed',
      currency: 'EUR',
      amount_minor: '1250',
      lines: facts.lines,
      version: 2,
      as_of: new Date('2026-01-01T00:00:02.000Z'),
    });
    expect(await consumedOf(orderId)).toHaveLength(2);
  });

  it('applies an event once, however often it comes', async () => {
    const orderId = anOrderId();
    await sent(created(orderId), created(orderId), completed(orderId), created(orderId));
    await sent(completed(orderId), created(orderId));
    startConsumer();
    await eventually(() => counted.applied + counted.duplicate === 6);
    expect(counted).toMatchObject({ applied: 2, duplicate: 4, buried: 0 });
    expect(await viewOf(orderId)).toMatchObject({ status: 'completed', version: 2 });
  });

  it.each(['before:dup', 'beforeAck:throw-retryable'])(
    'applies an event once when it meets consumer.order-view:%s',
    async (fault) => {
      const faults = parseFaults(`consumer.order-view:${fault}:1`, {
        seed: 1,
        places: faultMenu(),
      });
      const orderId = anOrderId();
      await sent(created(orderId));
      startConsumer(orderViews(), faults);
      await eventually(() => counted.duplicate === 1, { withinMs: 20_000 });
      expect([...faults.fired().values()]).toEqual([1]);
      expect(counted).toMatchObject({ applied: 1, duplicate: 1, buried: 0 });
      expect(await consumedOf(orderId)).toHaveLength(1);
    },
  );

  it('never goes back: an older event that comes later adds what it knows and no more', async () => {
    const orderId = anOrderId();
    await sent(completed(orderId));
    startConsumer();
    expect(await completeView(orderId)).toMatchObject({ customer_id: null, version: 2 });
    await sent(created(orderId));
    await eventually(() => counted.applied === 2);
    expect(await viewOf(orderId)).toMatchObject({
      status: 'completed',
      customer_id: 'acme.C-1',
      version: 2,
      as_of: new Date('2026-01-01T00:00:02.000Z'),
    });
  });

  it('goes on behind a restart where it had stopped', async () => {
    const [before, after] = [anOrderId(), anOrderId()];
    await sent(created(before));
    const first = startConsumer();
    await eventually(async () => (await committed()) === 1);
    await first.stop();
    await sent(created(after));
    startConsumer();
    await eventually(() => viewOf(after));
    expect(counted).toMatchObject({ applied: 2, duplicate: 0 });
  });

  it('applies nothing twice when it dies between the effect and the offset, however often', async () => {
    const orderId = anOrderId();
    await sent(created(orderId), completed(orderId));
    const views = orderViews();
    let deaths = 0;
    startConsumer({
      async process(records, context) {
        const isDone = await views.process(records, context);
        if (deaths === 4) return isDone;
        deaths += 1; // More than the client's own retries: it loses its group and has to join again.
        throw new Error('Died before the offset was committed.');
      },
    });
    await eventually(async () => (await committed()) === 2, { withinMs: 20_000 });
    expect(deaths).toBe(4);
    expect(counted).toMatchObject({ applied: 2, duplicate: 8 });
    expect(await viewOf(orderId)).toMatchObject({ status: 'completed', version: 2 });
  });
});

describe('a record that cannot be applied', () => {
  it('becomes a dead letter with its origin, and those behind it are applied', async () => {
    const orderId = anOrderId();
    await sent(created(orderId));
    await producer.send({
      topic,
      messages: [
        { key: orderId, value: 'not json', headers: { 'event-id': 'broken-1' } },
        { key: orderId, value: JSON.stringify({ ...created(orderId), type: 'order.forgotten' }) },
      ],
    });
    await sent(completed(orderId));
    startConsumer();
    await completeView(orderId);
    expect(await lettersOf(topic)).toMatchObject([
      { event_id: 'broken-1', attempts: 1, offset_no: '1', payload: Buffer.from('not json') },
      { event_id: null, attempts: 1, offset_no: '2' },
    ]);
    await eventually(async () => (await committed()) === 4);
  });

  it('is tried again a few times where the database refuses it, apart from its neighbours', async () => {
    const [orderId, poisoned] = [anOrderId(), anOrderId()];
    await admin.change(
      `ALTER TABLE order_views ADD CONSTRAINT planted CHECK (order_id <> '${poisoned}')`,
    );
    await sent(created(orderId), created(poisoned), completed(orderId));
    startConsumer();
    await completeView(orderId);
    await eventually(async () => (await committed()) === 3);
    await admin.change('ALTER TABLE order_views DROP CHECK planted');
    expect(await lettersOf(topic)).toMatchObject([
      { event_id: created(poisoned).eventId, attempts: 3 },
    ]);
    expect(await consumedOf(poisoned)).toEqual([]);
    expect(counted).toMatchObject({ applied: 2, buried: 1 });
  });

  it('keeps one row when it is delivered again', async () => {
    await producer.send({ topic, messages: [{ key: 'a', value: '{}' }] });
    const first = startConsumer();
    await eventually(() => counted.buried === 1);
    await first.stop();
    groupId = `${groupId}-again`;
    startConsumer();
    await eventually(() => counted.buried === 2);
    expect(await lettersOf(topic)).toMatchObject([{ attempts: 2 }]);
  });

  it('is never an outage: while the database is away everything waits, and nothing is given up', async () => {
    const orderId = anOrderId();
    await admin.change('RENAME TABLE consumed TO consumed_away');
    await sent(created(orderId));
    startConsumer();
    await eventually(() => counted.failed >= 4);
    await admin.change('RENAME TABLE consumed_away TO consumed');
    await eventually(() => viewOf(orderId));
    expect(await lettersOf(topic)).toEqual([]);
  });
});
