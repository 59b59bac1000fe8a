import { describe, expect, it } from '@jest/globals';

import { createEventProducer, type KafkaProducers } from '../../../../workers/relay/kafka-producer';

/** A Kafka that notes what it is asked for, and whose sends fail while `isAway()`. */
function fakeKafka(isAway: () => boolean = () => false) {
  const calls: string[] = [];
  let producers = 0;
  const kafka: KafkaProducers = {
    ensureTopics(topics) {
      calls.push(`topics ${topics.join()}`);
      return Promise.resolve();
    },
    open() {
      producers += 1;
      const name = `producer ${producers}`;
      calls.push(name);
      return Promise.resolve({
        send(batch) {
          calls.push(`${name} sends ${batch.map(({ key }) => key).join()}`);
          return isAway() ? Promise.reject(new Error('No answer.')) : Promise.resolve();
        },
        close() {
          calls.push(`${name} closed`);
          return Promise.resolve();
        },
      });
    },
  };
  return { calls, kafka };
}

const record = (key: string, bytes = 10) => ({
  topic: 'events',
  key,
  value: 'x'.repeat(bytes),
  headers: {},
});

describe('the producer of the relay', () => {
  it('creates the topics that are missing before its first record', async () => {
    const { calls, kafka } = fakeKafka();
    const producer = createEventProducer({ kafka, topics: ['one', 'two'] });
    await producer.publish([record('a')]);
    await producer.publish([record('b')]);
    expect(calls).toEqual([
      'topics one,two',
      'producer 1',
      'producer 1 sends a',
      'producer 1 sends b',
    ]);
  });

  it('throws a producer away whose send failed: its sequence numbers are not known any more', async () => {
    let isAway = true;
    const { calls, kafka } = fakeKafka(() => isAway);
    const producer = createEventProducer({ kafka, topics: [] });
    await expect(producer.publish([record('a')])).rejects.toThrow('No answer.');
    isAway = false;
    await producer.publish([record('a')]);
    await producer.close();
    expect(calls.filter((call) => !call.startsWith('topics'))).toEqual([
      'producer 1',
      'producer 1 sends a',
      'producer 1 closed',
      'producer 2',
      'producer 2 sends a',
      'producer 2 closed',
    ]);
  });

  it('sends what is too much for one request in several, in order', async () => {
    const { calls, kafka } = fakeKafka();
    const producer = createEventProducer({ kafka, topics: [] });
    await producer.publish([
      record('a', 300_000),
      record('b', 300_000),
      record('c', 600_000),
      record('d'),
    ]);
    expect(calls.filter((call) => call.includes('sends'))).toEqual([
      'producer 1 sends a',
      'producer 1 sends b',
      'producer 1 sends c',
      'producer 1 sends d',
    ]);
  });
});
