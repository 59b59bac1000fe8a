/** How fast one relay brings the events of one outbox to a real Kafka, whatever waits behind them. */
import { randomBytes } from 'node:crypto';

import { Registry } from 'prom-client';

import { createSqlPool, type SqlPool } from '../../activities/fence/sql-transaction';
import { topicOf } from '../../contracts/engine/events';
import { createLogger } from '../../runtime/logger';
import { createKafka } from '../../runtime/kafka/client';
import {
  createEventProducer,
  kafkaProducers,
  type EventProducer,
} from '../../workers/relay/kafka-producer';
import { createRelayMetrics } from '../../workers/relay/metrics';
import { createOutboxStore, type OutboxStore } from '../../workers/relay/outbox-store';
import { createRelay, relayDefaults } from '../../workers/relay/relay';
import { provision, unprovision } from '../../runtime/databases/provision';
import { shopDatabases } from '../../runtime/databases/shop';
import type { Stack } from '../stack/stack';
import { fill, patient } from './filling';
import { latencyOf, type Latency } from './latency';

export interface RelayFigures {
  readonly waiting: number;
  /** Brought to Kafka while it was measured. */
  readonly events: number;
  readonly eventsPerSecond: number;
  /** Milliseconds of each call. */
  readonly calls: Readonly<Record<'read' | 'publish' | 'mark', Latency>>;
  /** Each must be as it is expected to be. */
  readonly counters: readonly {
    readonly name: string;
    readonly seen: number;
    readonly expected: number;
  }[];
}

const lookEveryMs = 50;
const database = 'inventory';

/**
 * In a database and a topic of its own, dropped at the end.
 *
 * @param waiting events in the outbox when it begins.
 * @param events after which it is stopped.
 */
export async function measureRelay(
  { mysql, kafka: { brokers } }: Pick<Stack, 'mysql' | 'kafka'>,
  { waiting, events }: { readonly waiting: number; readonly events: number },
  say: (line: string) => void,
): Promise<RelayFigures> {
  const prefix = `t${randomBytes(4).toString('hex')}_`; // What a killed measurement leaves is dropped with what tests leave.
  const password = randomBytes(12).toString('hex');
  const urls = await provision(mysql.adminUrl, {
    ...shopDatabases,
    prefix,
    only: [database],
    secret: () => password,
  });
  const admin = createSqlPool({
    url: adminUrlOf(mysql.adminUrl, prefix),
    connectionLimit: 1,
    limits: patient,
  });
  const pool = createSqlPool({ url: urls.RELAY_DATABASE_URLS, connectionLimit: 3 });
  const topicPrefix = `bench-${prefix}`;
  const kafka = createKafka(
    { brokers, topicPrefix },
    { clientId: 'accord-bench', logger: createLogger({ process: 'bench', level: 'silent' }) },
  );
  const topic = `${topicPrefix}${topicOf('inventory')}`;
  try {
    say(`Filling the outbox with ${waiting} events …`);
    await fillOutbox(admin, waiting);
    await admin.change('ANALYZE TABLE outbox');
    say(`Draining ${events} of them …`);
    const producer = createEventProducer({ kafka: kafkaProducers(kafka), topics: [topic] });
    const outbox = createOutboxStore({
      ...{ database, pool, relayId: 'bench', leaseMs: relayDefaults.leaseMs },
    });
    const drained = await drain({ outbox, producer, topicPrefix, events });
    await producer.close();
    const inKafka = await recordsOf(kafka, topic);
    return {
      waiting,
      ...drained,
      counters: [
        { name: 'rows that are marked', seen: await marked(admin), expected: drained.events },
        { name: 'records in Kafka', seen: inKafka, expected: drained.events },
      ],
    };
  } finally {
    await withAdmin(kafka, (of) => of.deleteTopics({ topics: [topic] })).catch(() => undefined);
    await Promise.all([pool.close(), admin.close()]);
    await unprovision(mysql.adminUrl, prefix, { ...shopDatabases, only: [database] });
  }
}

async function drain({
  outbox,
  producer,
  topicPrefix,
  events,
}: {
  readonly outbox: OutboxStore;
  readonly producer: EventProducer;
  readonly topicPrefix: string;
  readonly events: number;
}): Promise<Pick<RelayFigures, 'events' | 'eventsPerSecond' | 'calls'>> {
  const ms = { read: [] as number[], publish: [] as number[], mark: [] as number[] };
  const timed = async <Result>(of: number[], work: () => Promise<Result>): Promise<Result> => {
    const began = performance.now();
    const result = await work();
    of.push(performance.now() - began);
    return result;
  };
  let done = 0;
  let began = 0;
  let ended = 0;
  const relay = createRelay({
    outboxes: [
      {
        ...outbox,
        unpublished: (partitions, ...more) => {
          if (partitions.length > 0) began ||= performance.now();
          return timed(ms.read, () => outbox.unpublished(partitions, ...more));
        },
        async markPublished(ids) {
          const count = await timed(ms.mark, () => outbox.markPublished(ids));
          done += count;
          ended = performance.now();
          return count;
        },
      },
    ],
    producer: {
      ...producer,
      publish: (records) => timed(ms.publish, () => producer.publish(records)),
    },
    metrics: createRelayMetrics(new Registry()),
    logger: createLogger({ process: 'bench', level: 'error' }),
    settings: { topicPrefix },
  });
  relay.start();
  try {
    while (done < events) await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  } finally {
    await relay.stop();
  }
  const calls = {
    read: latencyOf(ms.read),
    publish: latencyOf(ms.publish),
    mark: latencyOf(ms.mark),
  };
  return { events: done, eventsPerSecond: (done * 1_000) / (ended - began), calls };
}

/** Fills the outbox with rows as an order leaves them: about 300 bytes each, four of one aggregate. */
const fillOutbox = (admin: SqlPool, waiting: number): Promise<void> =>
  fill(admin, {
    into: 'outbox (event_id, gid, branch, op, topic, type, aggregate_id, sequence, payload, epoch)',
    select: `CONCAT('order:bench.', i, '/reserveStock/act/1'), CONCAT('order:bench.', i), 'reserveStock', 'act',
      '${topicOf('inventory')}', 'stock.reserved', CONCAT('bench.A-', i DIV 4), 1 + i % 4,
      JSON_OBJECT('lines', JSON_ARRAY(JSON_OBJECT('sku', CONCAT('bench.S-', i % 100), 'quantity', 2)), 'pad', REPEAT('x', 150)), 1`,
    from: 0,
    to: waiting,
  });

async function marked(admin: SqlPool): Promise<number> {
  const [row] = await admin.select<{ readonly n: string }>(
    'SELECT COUNT(*) AS n FROM outbox FORCE INDEX (PRIMARY) WHERE published_at IS NOT NULL',
  );
  return Number(row?.n);
}

type Client = ReturnType<typeof createKafka>;
async function withAdmin<Result>(
  kafka: Client,
  work: (admin: ReturnType<Client['admin']>) => Promise<Result>,
): Promise<Result> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

const recordsOf = (kafka: Client, topic: string): Promise<number> =>
  withAdmin(kafka, async (admin) => {
    const partitions = await admin.fetchTopicOffsets(topic);
    return partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
  });

function adminUrlOf(adminUrl: string, prefix: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${prefix}${database}`;
  return url.toString();
}
