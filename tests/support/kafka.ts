import { randomUUID } from 'node:crypto';

import { createKafka, ensureTopics, type KafkaSettings } from '../../runtime/kafka/client';
import { createLogger } from '../../runtime/logger';
import { eventually } from './eventually';
import { testStack } from './stack';

export const silentLogger = createLogger({ process: 'test', level: 'silent' });

/** Topics and groups of one test file alone. */
export async function ownKafka() {
  const { kafka: server } = await testStack();
  const settings: KafkaSettings = {
    brokers: server.brokers,
    topicPrefix: `t-${randomUUID().slice(0, 8)}.`,
  };
  const kafka = createKafka(settings, { clientId: 'test', logger: silentLogger });
  return {
    settings,
    kafka,
    /** Deletes the topics of this prefix. */
    async drop(): Promise<void> {
      const admin = kafka.admin();
      await admin.connect();
      const topics = (await admin.listTopics()).filter((name) =>
        name.startsWith(settings.topicPrefix),
      );
      if (topics.length > 0) await admin.deleteTopics({ topics });
      await admin.disconnect();
    },
  };
}
export type OwnKafka = Awaited<ReturnType<typeof ownKafka>>;

/** Topics that can be written and read at once: a leader is named a moment before it knows of it itself. */
export async function readyTopics({ kafka }: OwnKafka, names: readonly string[]): Promise<void> {
  await ensureTopics(kafka, names);
  const admin = kafka.admin();
  await admin.connect();
  await eventually(() => Promise.all(names.map((name) => admin.fetchTopicOffsets(name))));
  await admin.disconnect();
}

/** A record as it stands in a topic. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Everything that comes into a topic, from its beginning until `stop`. */
export async function watchTopic({ kafka }: OwnKafka, topic: string) {
  const records: TopicRecord[] = [];
  const consumer = kafka.consumer({ groupId: `watch-${randomUUID()}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ partition, message: { offset, key, value, headers } }) => {
      records.push({
        partition,
        offset,
        key: key?.toString() ?? '',
        value: value?.toString() ?? '',
        headers: Object.fromEntries(
          Object.entries(headers ?? {}).map(([name, of]) => [name, String(of)]),
        ),
      });
      return Promise.resolve();
    },
  });
  return { records, stop: () => consumer.disconnect() };
}
