import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';

import type { SqlPool } from '../../../../activities/fence/sql-transaction';
import { topicOf } from '../../../../contracts/engine/events';
import { allTopics, ensureTopics } from '../../../../runtime/kafka/client';
import {
  createEventProducer,
  kafkaProducers,
  type EventProducer,
} from '../../../../workers/relay/kafka-producer';
import { createOutboxStore } from '../../../../workers/relay/outbox-store';
import { createRelay, type Relay } from '../../../../workers/relay/relay';
import { faultMenu } from '../../../../runtime/faults/menu';
import { parseFaults, type DeliveryPoints } from '../../../../runtime/faults/points';
import { ownDatabases, type OwnDatabases } from '../../../support/databases';
import { eventually } from '../../../support/eventually';
import { ownKafka, silentLogger, watchTopic, type OwnKafka } from '../../../support/kafka';

/** Short, so that a lease that nobody renews ends within the test. */
const leaseMs = 900;

let databases: OwnDatabases;
let pool: SqlPool;
let admin: SqlPool;
let kafka: OwnKafka;
let topic: string;
let watched: Awaited<ReturnType<typeof watchTopic>>;
/** Those of this test: its aggregates bear the name. */
let name: string;
const relays: Relay[] = [];
const producers: EventProducer[] = [];

beforeAll(async () => {
  databases = await ownDatabases(['inventory']);
  pool = databases.pool(databases.urls.RELAY_DATABASE_URLS);
  admin = databases.pool(databases.adminUrl('inventory'));
  kafka = await ownKafka();
  topic = `${kafka.settings.topicPrefix}${topicOf('inventory')}`;
  await ensureTopics(kafka.kafka, allTopics(kafka.settings));
  watched = await watchTopic(kafka, topic);
}, 60_000);
afterAll(async () => {
  await watched.stop();
  await kafka.drop();
  await databases.drop();
});
beforeEach(() => {
  name = randomUUID().slice(0, 8);
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await Promise.all(producers.splice(0).map((producer) => producer.close()));
  await admin.change('DELETE FROM outbox');
});

const ownProducer = (): EventProducer => {
  const producer = createEventProducer({
    kafka: kafkaProducers(kafka.kafka),
    topics: allTopics(kafka.settings),
  });
  producers.push(producer);
  return producer;
};

interface RelayOptions {
  readonly producer?: EventProducer;
  readonly keepSeconds?: number;
  readonly on?: SqlPool;
  readonly faults?: DeliveryPoints;
  readonly isActive?: () => Promise<boolean>;
  readonly heldMs?: number;
}

function startRelay({
  producer = ownProducer(),
  keepSeconds = 3_600,
  on = pool,
  faults,
  isActive,
  heldMs = leaseMs,
}: RelayOptions = {}) {
  const relayId = `relay-${randomUUID()}`;
  const counted = { published: 0, failed: 0, lagSeconds: -1 };
  const relay = createRelay({
    outboxes: [createOutboxStore({ database: 'inventory', pool: on, relayId, leaseMs: heldMs })],
    producer,
    metrics: {
      lag: (_, seconds) => (counted.lagSeconds = seconds),
      published: (_, rows) => (counted.published += rows),
      cleanedUp: () => undefined,
      failed: () => (counted.failed += 1),
    },
    logger: silentLogger,
    ...(faults && { faults }),
    ...(isActive && { isActive }),
    settings: {
      leaseMs: heldMs,
      keepSeconds,
      cleanUpEveryMs: 100,
      topicPrefix: kafka.settings.topicPrefix,
    },
  });
  relay.start();
  relays.push(relay);
  return { relay, relayId, counted };
}

/** `perAggregate` events of each of `aggregates`, interleaved: the order in which one aggregate must arrive. */
async function written(aggregates: number, perAggregate: number, from = 1): Promise<void> {
  const rows = Array.from({ length: perAggregate }, (_, n) => n + from).flatMap((sequence) =>
    Array.from({ length: aggregates }, (_, a) => {
      const aggregate = `${name}-${a}`;
      const gid = `order:acme.${aggregate}`;
      const eventId = `${gid}/step/act/${sequence}`;
      const payload = JSON.stringify({ n: sequence });
      const traceparent =
        a === 0 ? '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' : null;
      return [
        eventId,
        gid,
        'step',
        'act',
        topicOf('inventory'),
        'stock.reserved',
        aggregate,
        sequence,
        payload,
        traceparent,
        1,
      ];
    }),
  );
  await admin.change(
    `INSERT INTO outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, traceparent, epoch) VALUES ?`,
    [rows],
  );
}

const arrived = () => watched.records.filter(({ key }) => key.startsWith(name));
const eventIdsOf = (records: ReturnType<typeof arrived>) =>
  records.map(({ headers }) => headers['event-id'] ?? '');

/** Sequences by aggregate, each event at its first occurrence. */
function firstOccurrences(): ReadonlyMap<string, readonly number[]> {
  const seen = new Set<string>();
  const sequences = new Map<string, number[]>();
  for (const { key, value, headers } of arrived()) {
    const id = headers['event-id'] ?? '';
    if (seen.has(id)) continue;
    seen.add(id);
    const { sequence } = JSON.parse(value) as { readonly sequence: number };
    sequences.set(key, [...(sequences.get(key) ?? []), sequence]);
  }
  return sequences;
}

const inOrder = (perAggregate: number): readonly number[] =>
  Array.from({ length: perAggregate }, (_, n) => n + 1);

async function unpublished(): Promise<number> {
  const [row] = await admin.select<{ n: string }>(
    'SELECT COUNT(*) AS n FROM outbox WHERE published_at IS NULL',
  );
  return Number(row?.n);
}

const partitionsHeldBy = async (relayId: string): Promise<number> => {
  const [row] = await admin.select<{ n: string }>(
    'SELECT COUNT(*) AS n FROM outbox_leases WHERE owner = ? AND partition_no < 16 AND lease_until > UTC_TIMESTAMP(3)',
    [relayId],
  );
  return Number(row?.n);
};

describe('the relay', () => {
  it('publishes nothing while another region is the active one, and begins when it is its own turn', async () => {
    const turn = { isOurs: false, asked: 0 };
    await written(2, 5);
    startRelay({
      isActive: () => {
        turn.asked += 1;
        return Promise.resolve(turn.isOurs);
      },
    });
    await eventually(() => turn.asked > 2);
    expect(await unpublished()).toBe(10);
    expect(arrived()).toEqual([]);
    turn.isOurs = true;
    await eventually(async () => (await unpublished()) === 0);
  });

  it('sends a row as a record: keyed by its aggregate, in its envelope, with its headers', async () => {
    await written(1, 1);
    startRelay();
    await eventually(() => arrived().length === 1);
    const [record] = arrived();
    expect(record?.key).toBe(`${name}-0`);
    expect(record?.headers).toEqual({
      'event-id': `order:acme.${name}-0/step/act/1`,
      'event-type': 'stock.reserved',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(JSON.parse(record?.value ?? '')).toEqual({
      eventId: `order:acme.${name}-0/step/act/1`,
      type: 'stock.reserved',
      gid: `order:acme.${name}-0`,
      aggregateId: `${name}-0`,
      sequence: 1,
      occurredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: { n: 1 },
    });
  });

  it.each(['before:dup', 'beforeCommit:throw-retryable'])(
    'publishes every row, twice at least, when it meets relay.publish:%s',
    async (fault) => {
      const faults = parseFaults(`relay.publish:${fault}:1`, { seed: 1, places: faultMenu() });
      await written(3, 4);
      startRelay({ faults });
      await eventually(() => arrived().length >= 24);
      expect([...faults.fired().values()]).toEqual([1]);
      expect(new Set(eventIdsOf(arrived())).size).toBe(12);
      expect([...firstOccurrences().values()]).toEqual(Array(3).fill(inOrder(4)));
      await eventually(async () => (await unpublished()) === 0);
    },
  );

  it('publishes every row once and in order while two share the partitions', async () => {
    // Long, so that none is lost on the way: behind that, rows may come twice.
    const heldMs = 6_000;
    const [one, two] = [startRelay({ heldMs }), startRelay({ heldMs })];
    await eventually(async () => (await partitionsHeldBy(one.relayId)) === 8);
    await eventually(async () => (await partitionsHeldBy(two.relayId)) === 8);
    await written(40, 10);
    await eventually(async () => (await unpublished()) === 0);
    await eventually(() => arrived().length >= 400);
    expect(new Set(eventIdsOf(arrived())).size).toBe(400);
    expect(arrived()).toHaveLength(400);
    expect([...firstOccurrences().values()]).toEqual(Array(40).fill(inOrder(10)));
    expect(one.counted.published + two.counted.published).toBe(400);
    expect(Math.min(one.counted.published, two.counted.published)).toBeGreaterThan(0);
  });

  it('gives its partitions back when it stops, and leaves nothing to wait for', async () => {
    const one = startRelay();
    await eventually(async () => (await partitionsHeldBy(one.relayId)) === 16);
    await one.relay.stop();
    expect(await partitionsHeldBy(one.relayId)).toBe(0);
    const two = startRelay();
    await eventually(async () => (await partitionsHeldBy(two.relayId)) === 16);
  });

  it('takes over from one that vanished once its leases are over', async () => {
    const dead = `relay-${randomUUID()}`;
    const store = createOutboxStore({ database: 'inventory', pool, relayId: dead, leaseMs });
    expect((await store.holdLeases([])).partitions).toHaveLength(16);
    await written(5, 2);
    const alive = startRelay();
    await eventually(async () => (await unpublished()) === 0);
    expect(await partitionsHeldBy(alive.relayId)).toBe(16);
  });

  it('repeats events, never loses or overtakes one, when it dies between the send and the mark', async () => {
    await written(10, 3);
    const producer = ownProducer();
    let acknowledged = 0;
    const dying: EventProducer = {
      async publish(records) {
        await producer.publish(records);
        acknowledged += 1;
        if (acknowledged <= 2) throw new Error('Died after the answer of Kafka.');
      },
      close: () => producer.close(),
    };
    const { counted } = startRelay({ producer: dying });
    await eventually(async () => (await unpublished()) === 0);
    await eventually(() => arrived().length >= 60);
    expect(counted.failed).toBe(2);
    expect(new Set(eventIdsOf(arrived())).size).toBe(30);
    expect([...firstOccurrences().values()]).toEqual(Array(10).fill(inOrder(3)));
  });

  it('keeps what it has while Kafka is away, shows how long, and sends it in order afterwards', async () => {
    await written(4, 3);
    const producer = ownProducer();
    let isAway = true;
    const { counted } = startRelay({
      producer: {
        publish: (records) =>
          isAway ? Promise.reject(new Error('No broker.')) : producer.publish(records),
        close: () => producer.close(),
      },
    });
    await eventually(() => counted.failed >= 3);
    expect(await unpublished()).toBe(12);
    expect(counted.lagSeconds).toBeGreaterThan(0);
    isAway = false;
    await written(4, 2, 4);
    await eventually(async () => (await unpublished()) === 0);
    await eventually(() => arrived().length >= 20);
    expect([...firstOccurrences().values()]).toEqual(Array(4).fill(inOrder(5)));
    await eventually(() => counted.lagSeconds === 0);
  });

  it('does not mark rows whose partition another relay holds by now', async () => {
    await written(3, 1);
    const store = (relayId: string) =>
      createOutboxStore({ database: 'inventory', pool, relayId, leaseMs: 60_000 });
    const [paused, successor] = [store(`a-${name}`), store(`b-${name}`)];
    const { partitions } = await paused.holdLeases([]);
    const rows = await paused.unpublished(partitions, 500);
    expect(rows).toHaveLength(3);
    await admin.change('UPDATE outbox_leases SET lease_until = UTC_TIMESTAMP(3)');
    await successor.holdLeases([]);
    expect(await paused.markPublished(rows.map(({ id }) => id))).toBe(0);
    expect(await successor.markPublished(rows.map(({ id }) => id))).toBe(3);
    await successor.releaseLeases();
  });

  it('finishes the batch under way when it is stopped', async () => {
    await written(2, 1);
    const producer = ownProducer();
    let release: () => void = () => undefined;
    let isSending = false;
    const slow: EventProducer = {
      async publish(records) {
        isSending = true;
        await new Promise<void>((resolve) => (release = resolve));
        await producer.publish(records);
      },
      close: () => producer.close(),
    };
    const { relay } = startRelay({ producer: slow });
    await eventually(() => isSending);
    const stopped = relay.stop();
    release();
    await stopped;
    expect(await unpublished()).toBe(0);
  });

  it('deletes published rows after their keep time, and never one that is not published', async () => {
    await written(4, 1);
    await admin.change(
      `UPDATE outbox SET published_at = UTC_TIMESTAMP(3) - INTERVAL 2 HOUR WHERE aggregate_id = ?`,
      [`${name}-0`],
    );
    const { counted } = startRelay({
      keepSeconds: 3_600,
      producer: {
        publish: () => Promise.reject(new Error('No broker.')),
        close: () => Promise.resolve(),
      },
    });
    const left = () => admin.select('SELECT id FROM outbox');
    await eventually(async () => (await left()).length === 3);
    await eventually(() => counted.failed > 1);
    expect(await unpublished()).toBe(3);
  });

  it('reads each partition by its range of the index', async () => {
    const plan = await admin.select(
      `EXPLAIN FORMAT=TRADITIONAL SELECT id FROM outbox FORCE INDEX (unpublished)
         WHERE published_at IS NULL AND partition_no = 3 ORDER BY id LIMIT 31`,
    );
    expect(plan).toMatchObject([{ key: 'unpublished', type: 'ref' }]);
    expect(JSON.stringify(plan)).not.toContain('filesort');
  });
});
