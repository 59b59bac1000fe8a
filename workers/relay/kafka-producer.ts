import type { Kafka, Message } from 'kafkajs';

import { ensureTopics, Partitioners } from '../../runtime/kafka/client';

/** A record of Kafka. */
export interface EventRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface EventProducer {
  /**
   * Resolves when every in-sync replica has all records; those of one key in the order given.
   * @throws where that is not known: any of them may be in Kafka, so all have to be sent again, in their order.
   */
  publish(records: readonly EventRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** Bytes of one request: half of what a broker takes as one batch of a partition (`message.max.bytes`). */
const requestBytesMax = 512 * 1_024;

/** One connected producer. */
interface OpenProducer {
  /** Resolves when every in-sync replica has the records. */
  send(records: readonly EventRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** What is asked of Kafka. */
export interface KafkaProducers {
  ensureTopics(topics: readonly string[]): Promise<void>;
  open(): Promise<OpenProducer>;
}

/** Connects at the first call, and creates the topics that are missing. */
export function createEventProducer({
  kafka,
  topics,
}: {
  readonly kafka: KafkaProducers;
  readonly topics: readonly string[];
}): EventProducer {
  let connected: Promise<OpenProducer> | undefined;

  const connect = async (): Promise<OpenProducer> => {
    await kafka.ensureTopics(topics);
    return kafka.open();
  };

  /**
   * A producer that failed is thrown away. The broker tells repeats by sequence number and count alone: after a lost
   * answer, other rows under the same numbers would be acknowledged as repeats and never stored.
   */
  const discard = async (failed: Promise<OpenProducer> | undefined): Promise<void> => {
    if (connected === failed) connected = undefined;
    await failed?.then((producer) => producer.close()).catch(() => undefined);
  };

  return {
    async publish(records) {
      const current = (connected ??= connect());
      try {
        const producer = await current;
        for (const batch of batchesOf(records)) await producer.send(batch);
      } catch (error) {
        await discard(current);
        throw error;
      }
    },
    close: () => discard(connected),
  };
}

/** Idempotent producers of the client, acknowledged by all in-sync replicas. */
export const kafkaProducers = (kafka: Kafka): KafkaProducers => ({
  ensureTopics: (topics) => ensureTopics(kafka, topics),
  async open() {
    const producer = kafka.producer({
      idempotent: true, // A retry inside the client neither doubles nor reorders.
      maxInFlightRequests: 1, // Or a batch that fails could be overtaken by the next one of its key.
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner, // By the key, as Java's clients do it.
    });
    await producer.connect();
    return {
      send: async (records) => {
        await producer.sendBatch({ acks: -1, topicMessages: byTopic(records) });
      },
      close: () => producer.disconnect(),
    };
  },
});

/** The records in their order, in batches. A batch exceeds the bound only where one record alone does. */
function batchesOf(records: readonly EventRecord[]): readonly (readonly EventRecord[])[] {
  const batches: EventRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const size = Buffer.byteLength(record.value);
    if (bytes + size > requestBytesMax) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(record);
    bytes += size;
  }
  return batches;
}

function byTopic(records: readonly EventRecord[]) {
  const messages = new Map<string, Message[]>();
  for (const { topic, key, value, headers } of records) {
    const message = { key, value, headers: { ...headers } };
    const same = messages.get(topic);
    if (same) same.push(message);
    else messages.set(topic, [message]);
  }
  return [...messages].map(([topic, of]) => ({ topic, messages: of }));
}
