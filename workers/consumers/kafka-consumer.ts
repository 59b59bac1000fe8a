import { setTimeout as delay } from 'node:timers/promises';

import type { Consumer as KafkaJsConsumer, EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs';

import { eventIdHeader } from '../../contracts/engine/events';
import { inertFaultPoints, type DeliveryPoints } from '../../runtime/faults/points';
import type { Logger } from '../../runtime/logger';
import { ensureTopics, retry } from '../../runtime/kafka/client';
import { repeat, type Repetition } from '../../runtime/repeat';
import type { ConsumedRecord } from './dead-letter-store';
import type { EventProcessor, ProcessingContext } from './event-processor';

export interface ConsumerSettings {
  readonly groupId: string;
  readonly topic: string;
  /** Its name at fault points. */
  readonly place: string;
  /** Records of one SQL transaction. */
  readonly setRecordsMax: number;
  /** Partitions that are worked on at the same time. */
  readonly concurrency: number;
}

/** Defaults of every consumer. Each has a group and a topic of its own. */
export const consumerDefaults = { setRecordsMax: 200, concurrency: 3 } as const;

export interface ConsumerDependencies {
  readonly kafka: Kafka;
  readonly processor: EventProcessor;
  readonly logger: Logger;
  /** Left out: inert. */
  readonly faults?: DeliveryPoints;
  /** Records that wait behind those just read. */
  readonly onLag: (partition: number, records: number) => void;
  readonly settings: ConsumerSettings;
}

/**
 * Reads a topic from its beginning, as one of a group. Offsets are committed after the effects: whatever dies, a record
 * comes at least once, and the processor tells repeats by the event's id.
 */
export interface Consumer {
  /** Joins the group as soon as Kafka lets it. */
  start(): void;
  /** Ends the SQL transaction under way, commits its offset, leaves the group. */
  stop(): Promise<void>;
}

export function createConsumer({
  kafka,
  processor,
  logger,
  faults = inertFaultPoints,
  onLag,
  settings,
}: ConsumerDependencies): Consumer {
  const { groupId, topic, place, setRecordsMax, concurrency } = settings;
  const stopping = new AbortController();

  const eachBatch = async (payload: EachBatchPayload): Promise<void> => {
    const { batch } = payload;
    onLag(batch.partition, Number(batch.offsetLag()));
    for (let at = 0; at < batch.messages.length; at += setRecordsMax) {
      if (!payload.isRunning() || payload.isStale()) return;
      const messages = batch.messages.slice(at, at + setRecordsMax);
      const records = messages.map((message) => recordOf(batch.topic, batch.partition, message));
      const context: ProcessingContext = {
        isRunning: () => !stopping.signal.aborted && payload.isRunning(),
        heartbeat: () => payload.heartbeat(),
        pause: (ms) => pauseUnless(stopping.signal, ms),
      };
      const gids = () => records.map(gidOf);
      await faults.reach(place, 'before', gids);
      const isDone = await faults.deliver(place, () => processor.process(records, context), gids);
      if (!isDone) return;
      await faults.reach(place, 'beforeAck', gids);
      await commitAfter(messages, payload);
      await faults.reach(place, 'afterCommit', gids);
    }
  };

  let member: KafkaJsConsumer | undefined;
  let joining: Repetition | undefined;

  const join = async (): Promise<null> => {
    await member?.disconnect(); // The member of a try that failed half-way.
    member = kafka.consumer({
      groupId,
      allowAutoTopicCreation: false,
      maxWaitTimeInMs: 500, // Stopping waits for the poll under way; the default of 5 s would cost that long.
      retry: { ...retry, restartOnFailure: () => Promise.resolve(false) }, // The client gives up on some errors for good.
    });
    member.on(member.events.CRASH, ({ payload: { error } }) => {
      logger.error({ err: error }, 'The consumer has lost its group; it joins again.');
      keepJoining();
    });
    await ensureTopics(kafka, [topic]); // Subscribing to a topic that is missing would fail.
    await member.connect();
    await member.subscribe({ topic, fromBeginning: true });
    await member.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch,
    });
    return null;
  };

  const keepJoining = (): void => {
    if (stopping.signal.aborted) return;
    joining = repeat(join, {
      onFailure: (error, failures) => {
        if (failures > 1) return; // Once an outage.
        logger.error({ err: error }, 'Kafka is away; the consumer goes on trying.');
      },
      onRecovery: () => logger.info('The consumer has joined its group.'),
    });
  };

  return {
    start: keepJoining,
    async stop() {
      stopping.abort();
      await joining?.stop();
      await member?.disconnect();
    },
  };
}

async function commitAfter(
  messages: readonly KafkaMessage[],
  payload: EachBatchPayload,
): Promise<void> {
  const last = messages.at(-1);
  if (!last) return;
  payload.resolveOffset(last.offset);
  const { topic, partition } = payload.batch;
  const offset = (BigInt(last.offset) + 1n).toString(); // What is committed is the next one to read.
  await payload.commitOffsetsIfNecessary({
    topics: [{ topic, partitions: [{ partition, offset }] }],
  });
  await payload.heartbeat();
}

function recordOf(topic: string, partition: number, message: KafkaMessage): ConsumedRecord {
  const { offset, value, headers } = message;
  return { topic, partition, offset, value, eventId: headers?.[eventIdHeader]?.toString() ?? null };
}

/** An event's id begins with the transaction that it is of. */
const gidOf = ({ eventId }: ConsumedRecord): string => eventId?.split('/')[0] ?? '';

const pauseUnless = (signal: AbortSignal, ms: number): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined); // Stopped: the caller sees it.
