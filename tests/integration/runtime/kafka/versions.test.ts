import { createServer, type AddressInfo } from 'node:net';

import { describe, expect, it } from '@jest/globals';

import { oldKafka } from '../../../../runtime/kafka/versions';
import { testStack } from '../../../support/stack';

/** An answer to ApiVersions, version 0: Fetch up to the version given. */
function answerWith(newestFetch: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeInt32BE(16, 0);
  bytes.writeInt32BE(1, 4); // The correlation id of the request.
  bytes.writeInt32BE(1, 10); // One entry.
  bytes.writeInt16BE(1, 14);
  bytes.writeInt16BE(newestFetch, 18);
  return bytes;
}

describe('the age of Kafka', () => {
  it('is right of the real broker, also where another one is away', async () => {
    const { kafka } = await testStack();
    expect(await oldKafka(kafka.brokers)).toEqual([]);
    expect(await oldKafka(['127.0.0.1:1', ...kafka.brokers])).toEqual([]);
  });

  it('is told by product and version of a broker that is too old', async () => {
    // A broker of 2022 cannot be had here: this one says what Kafka 3.3 says of Fetch.
    const old = createServer((socket) => {
      socket.once('data', () => socket.write(answerWith(13)));
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = old.address() as AddressInfo; // A TCP server that listens.
      expect(await oldKafka([`127.0.0.1:${port}`])).toMatchObject([
        { product: 'Kafka', setting: 'version', found: 'with Fetch up to version 13' },
      ]);
    } finally {
      old.close();
    }
  });

  it('is no broken premise where nobody answers', async () => {
    await expect(oldKafka(['127.0.0.1:1'])).rejects.toThrow();
  });
});
