import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';

import { createLogger } from '../../../../runtime/logger';
import { brokersOf, createKafka } from '../../../../runtime/kafka/client';

describe('the client of Kafka', () => {
  it('reaches a broker by an IPv6 address, which the driver would cut at its first colon', async () => {
    let isReached = false;
    const broker = createServer((socket) => {
      isReached = true;
      socket.destroy();
    });
    await new Promise<void>((resolve) => broker.listen(0, '::1', resolve));
    const { port } = broker.address() as AddressInfo; // A TCP server that listens.
    const kafka = createKafka(
      { brokers: [`[::1]:${port}`], topicPrefix: '' },
      { clientId: 'test', logger: createLogger({ process: 'test', level: 'silent' }) },
    );
    await expect(kafka.admin().connect()).rejects.toThrow();
    broker.close();
    expect(isReached).toBe(true);
  });

  it('leaves names and IPv4 addresses to the driver', () => {
    const brokers = ['kafka.example:9092', '127.0.0.1:9093'];
    expect(brokersOf(brokers)).toEqual({ brokers });
  });
});
