/**
 * X3: what the databases wrote, what stands in Kafka and what was consumed are one. Sound at any moment by the order of
 * its reads: an event is committed before Kafka has it, Kafka has it before its row is marked, and it is consumed
 * before its offset moves on. So effects are read before their causes.
 */
import { randomUUID } from 'node:crypto';

import type { Admin, Kafka } from 'kafkajs';

import type { Database, Reading } from '../../invariants/reading';
import { application } from '../../contracts/engine/application';
import { eventIdHeader, topicOf } from '../../contracts/engine/events';
import { createLogger } from '../../runtime/logger';
import {
  allTopics,
  createKafka,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSProtocolError,
  type KafkaSettings,
} from '../../runtime/kafka/client';
import { pause } from '../../runtime/waiting';
import type { Finding } from './findings';

/** Older events may have left Kafka, and their rows the outbox. */
const hours = 24;
const consumer = 'accord-order-view';
/** A scan that gets nothing for so long has lost its broker. */
const silentMs = 30_000;
/** A partition that was made a moment ago has its leader by then. */
const leaderTries = 20;
const leaderEveryMs = 250;
const chunk = 500;

/** The database whose events a topic has, for each topic of the application. */
const databasesOfTopics = (): ReadonlyMap<string, Database> =>
  new Map(application().fenced.map((name) => [topicOf(name), name]));

/** A record, as far as it is judged. */
export interface ScannedRecord {
  /** Name of the topic, without the prefix. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly eventId: string;
  readonly aggregateId: string;
  readonly sequence: number;
  /** RFC 3339. */
  readonly occurredAt: string;
}

/** What was read before the topics were. */
export interface BeforeScan {
  readonly now: Date;
  /** Rows of outboxes that are marked as published. */
  readonly published: ReadonlyMap<string, Database>;
  readonly consumed: readonly string[];
  /** The next record that the consumer of orders takes, by partition. */
  readonly offsets: ReadonlyMap<number, bigint>;
}

export interface Topics {
  readonly rows: number;
  readonly violations: readonly Finding[];
}

export async function askTopics(
  readings: ReadonlyMap<Database, Reading>,
  settings: KafkaSettings,
): Promise<Topics> {
  const kafka = createKafka(settings, {
    clientId: 'accord-verify',
    logger: createLogger({ process: 'verify', level: 'silent' }),
  });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const before = await readBefore(readings, admin, settings);
    const records = await scan(kafka, admin, settings);
    const suspects = judgeRecords(before, records);
    return {
      rows: records.length,
      violations: [
        ...suspects.violations,
        ...(await neverWritten(readings, suspects.unknown)),
        ...(await neverConsumed(readings, settings, suspects.passed)),
      ],
    };
  } finally {
    await admin.disconnect();
  }
}

async function readBefore(
  readings: ReadonlyMap<Database, Reading>,
  admin: Admin,
  { topicPrefix }: KafkaSettings,
): Promise<BeforeScan> {
  const now = new Date();
  const consumed = await readings
    .get('orders')
    ?.select<{ readonly event_id: string }>(
      `SELECT event_id FROM consumed WHERE consumer = ? AND consumed_at > UTC_TIMESTAMP(3) - INTERVAL ? HOUR`,
      [consumer, hours],
    );
  const published = new Map<string, Database>();
  for (const [database, reading] of readings) {
    const rows = await reading.select<{ readonly event_id: string }>(
      `SELECT event_id FROM outbox
         WHERE published_at IS NOT NULL AND created_at > UTC_TIMESTAMP(3) - INTERVAL ? HOUR`,
      [hours],
    );
    for (const { event_id } of rows) published.set(event_id, database);
  }
  const topic = `${topicPrefix}${topicOf('orders')}`;
  const groupId = `${topicPrefix}${consumer}`;
  const isThere = (await admin.listTopics()).includes(topic);
  const [offsets] = isThere ? await admin.fetchOffsets({ groupId, topics: [topic] }) : [];
  return {
    now,
    published,
    consumed: (consumed ?? []).map(({ event_id }) => event_id),
    offsets: new Map(
      (offsets?.partitions ?? []).map(({ partition, offset }) => [partition, BigInt(offset)]),
    ),
  };
}

/**
 * The client waits 0.3 s for a topic that it does not know, and not at all for a partition whose leader has yet to take
 * it: too short for topics that are being made.
 */
async function offsetsOf(
  admin: Admin,
  topic: string,
  tries = leaderTries,
): ReturnType<Admin['fetchTopicOffsets']> {
  try {
    return await admin.fetchTopicOffsets(topic);
  } catch (error) {
    if (!isTransient(error) || tries <= 1) throw error;
    await pause(leaderEveryMs);
    return offsetsOf(admin, topic, tries - 1);
  }
}

const isTransient = (error: unknown): boolean =>
  error instanceof KafkaJSNumberOfRetriesExceeded ||
  (error instanceof KafkaJSProtocolError && error.retriable);

/** Everything that stands in the topics now, each partition in its order. */
async function scan(
  kafka: Kafka,
  admin: Admin,
  settings: KafkaSettings,
): Promise<readonly ScannedRecord[]> {
  const { topicPrefix } = settings;
  const there = new Set(await admin.listTopics());
  const names = allTopics(settings).filter((name) => there.has(name));
  const ends = new Map<string, bigint>();
  for (const topic of names) {
    for (const { partition, low, high } of await offsetsOf(admin, topic)) {
      if (BigInt(high) > BigInt(low)) ends.set(`${topic}/${partition}`, BigInt(high));
    }
  }
  if (ends.size === 0) return [];
  const records: ScannedRecord[] = [];
  const groupId = `accord-verify-${randomUUID()}`;
  const reader = kafka.consumer({ groupId, readUncommitted: false });
  await reader.connect();
  try {
    await reader.subscribe({ topics: names, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const lost = setTimeout(() => reject(new Error('Kafka no longer answers.')), silentMs);
      void reader
        .run({
          autoCommit: false,
          eachBatch: ({ batch }) => {
            lost.refresh();
            const place = `${batch.topic}/${batch.partition}`;
            for (const { offset, headers, key, value } of batch.messages) {
              records.push({
                topic: batch.topic.slice(topicPrefix.length),
                partition: batch.partition,
                offset: BigInt(offset),
                eventId: String(headers?.[eventIdHeader] ?? ''),
                aggregateId: key?.toString() ?? '',
                ...envelopeOf(value),
              });
            }
            const end = ends.get(place);
            if (end !== undefined && BigInt(batch.lastOffset()) >= end - 1n) ends.delete(place);
            if (ends.size === 0) {
              clearTimeout(lost);
              resolve();
            }
            return Promise.resolve();
          },
        })
        .catch(reject);
    });
  } finally {
    await reader.disconnect();
    await admin.deleteGroups([groupId]).catch(() => undefined); // Kafka forgets it by itself, later.
  }
  return records;
}

function envelopeOf(value: Buffer | null): {
  readonly sequence: number;
  readonly occurredAt: string;
} {
  try {
    const { sequence, occurredAt } = JSON.parse(value?.toString() ?? '') as Record<string, unknown>;
    if (typeof sequence === 'number' && typeof occurredAt === 'string')
      return { sequence, occurredAt };
  } catch {
    // Not ours: the consumer buries it.
  }
  return { sequence: NaN, occurredAt: '' };
}

/** What the records say beside what was read before them, and what has yet to be asked of the databases. */
export function judgeRecords(
  { now, published, consumed, offsets }: BeforeScan,
  records: readonly ScannedRecord[],
): {
  readonly violations: readonly Finding[];
  /** Recent, and not among the published: their rows must be there, published or not. */
  readonly unknown: readonly ScannedRecord[];
  /** Behind the consumer: consumed, or dead letters. */
  readonly passed: readonly ScannedRecord[];
} {
  const violations: Finding[] = [];
  const first = new Map<string, ScannedRecord>();
  const newest = new Map<string, number>();
  const since = now.getTime() - hours * 3_600_000;
  for (const record of inOrder(records)) {
    if (record.eventId === '' || first.has(record.eventId)) continue;
    first.set(record.eventId, record);
    const aggregate = `${record.topic} ${record.aggregateId}`;
    const last = newest.get(aggregate) ?? 0;
    if (record.sequence <= last) {
      const { eventId, sequence } = record;
      violations.push(
        found(record, { eventId, sequence, behind: last, wrong: 'out of its order' }),
      );
    }
    newest.set(aggregate, Math.max(last, record.sequence));
  }
  for (const [eventId, database] of published) {
    if (!first.has(eventId))
      violations.push({ database, row: { eventId, wrong: 'published, and not in Kafka' } });
  }
  for (const eventId of consumed) {
    if (!first.has(eventId))
      violations.push({
        database: 'orders',
        row: { eventId, wrong: 'consumed, and not in Kafka' },
      });
  }
  const recent = (record: ScannedRecord): boolean => Date.parse(record.occurredAt) > since;
  return {
    violations,
    unknown: [...first.values()].filter(
      (record) => recent(record) && !published.has(record.eventId),
    ),
    passed: records.filter(
      ({ topic, partition, offset }) =>
        topic === topicOf('orders') && offset < (offsets.get(partition) ?? 0n),
    ),
  };
}

/** One partition's records come in their order, but its batches may be mixed with others'. */
const inOrder = (records: readonly ScannedRecord[]): readonly ScannedRecord[] =>
  records.toSorted((one, other) => (one.offset < other.offset ? -1 : 1));

const found = ({ topic }: ScannedRecord, row: object): Finding => ({
  database: databasesOfTopics().get(topic) ?? 'accord',
  row,
});

/** Read after Kafka: whatever is there was committed before. */
async function neverWritten(
  readings: ReadonlyMap<Database, Reading>,
  unknown: readonly ScannedRecord[],
): Promise<readonly Finding[]> {
  const violations: Finding[] = [];
  for (const [topic, database] of databasesOfTopics()) {
    const of = unknown.filter((record) => record.topic === topic);
    const known = await whichAreIn(readings.get(database), 'outbox', of);
    for (const { eventId } of of) {
      if (!known.has(eventId))
        violations.push({ database, row: { eventId, wrong: 'in Kafka, and never written' } });
    }
  }
  return violations;
}

async function neverConsumed(
  readings: ReadonlyMap<Database, Reading>,
  { topicPrefix }: KafkaSettings,
  passed: readonly ScannedRecord[],
): Promise<readonly Finding[]> {
  const orders = readings.get('orders');
  if (!orders) return [];
  const known = await whichAreIn(orders, 'consumed', passed);
  const left = passed.filter(({ eventId }) => !known.has(eventId));
  if (left.length === 0) return [];
  const buried = new Set(
    (
      await orders.select<{ readonly place: string }>(
        `SELECT CONCAT_WS('/', topic, partition_no, offset_no) AS place FROM dead_letters WHERE consumer = ?`,
        [consumer],
      )
    ).map(({ place }) => place),
  );
  return left
    .filter(
      ({ topic, partition, offset }) =>
        !buried.has(`${topicPrefix}${topic}/${partition}/${offset}`),
    )
    .map(({ eventId, partition, offset }) => ({
      database: 'orders',
      row: {
        eventId,
        partition,
        offset: String(offset),
        wrong: 'passed over: neither consumed nor a dead letter',
      },
    }));
}

async function whichAreIn(
  reading: Reading | undefined,
  table: 'outbox' | 'consumed',
  records: readonly ScannedRecord[],
): Promise<ReadonlySet<string>> {
  const known = new Set<string>();
  const ids = [...new Set(records.map(({ eventId }) => eventId))];
  for (let at = 0; at < ids.length; at += chunk) {
    const rows = await reading?.select<{ readonly event_id: string }>(
      `SELECT event_id FROM ${table} WHERE event_id IN (?)${table === 'consumed' ? ` AND consumer = '${consumer}'` : ''}`,
      [ids.slice(at, at + chunk)],
    );
    for (const { event_id } of rows ?? []) known.add(event_id);
  }
  return known;
}
