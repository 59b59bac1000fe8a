import { describe, expect, it } from '@jest/globals';

import {
  createFramer,
  createKafkaAnswers,
  protocolOf,
} from '../../../../runtime/tcp-proxy/protocols';

const query = (sql: string, before = Buffer.alloc(0)): Buffer => {
  const body = Buffer.concat([Buffer.from([3]), before, Buffer.from(sql)]);
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  return Buffer.concat([head, body]);
};
const command = (...parts: readonly string[]): Buffer =>
  Buffer.from(
    `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`,
  );
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const kafka = (api: number, correlationId: number, body = ''): Buffer => {
  const head = Buffer.alloc(8);
  head.writeInt16BE(api, 0);
  head.writeInt32BE(correlationId, 4);
  const frame = Buffer.concat([head, Buffer.from(body)]);
  return Buffer.concat([int32(frame.length), frame]);
};

describe.each([
  ['mysql:', [query('SELECT 1'), query('COMMIT'), query('x'.repeat(300))]],
  ['redis:', [command('evalsha', 'ab', '1', 'a\r\nb'), command('PING'), command('SET', 'ä', '')]],
  ['kafka:', [kafka(0, 1, 'records'), kafka(3, 2), kafka(18, 3, 'x')]],
])('requests of %s', (scheme, requests) => {
  it('are told apart, however the network cuts and joins them', () => {
    const stream = Buffer.concat(requests);
    for (let size = 1; size <= stream.length; size += 1) {
      const split = createFramer(protocolOf(scheme));
      const seen: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size)
        seen.push(...split(stream.subarray(at, at + size)));
      expect(seen.map(String)).toEqual(requests.map(String));
    }
  });
});

describe('what a request asks for', () => {
  const mysql = protocolOf('mysql:');
  const redis = protocolOf('redis:');

  it('is a statement of MySQL by its end, and by nothing in its middle', () => {
    expect(mysql.asks(query('COMMIT'), 'COMMIT')).toBe(true);
    expect(mysql.asks(query('COMMIT', Buffer.from([0, 1])), 'COMMIT')).toBe(true);
    expect(mysql.asks(query(`SET transaction_isolation='READ-COMMITTED'`), 'COMMIT')).toBe(false);
    expect(mysql.asks(Buffer.from('\u0006\0\0\0\u0016COMMIT'), 'COMMIT')).toBe(false);
  });

  it('is a command of Redis by its name, in whatever case', () => {
    expect(redis.asks(command('evalsha', 'COMMIT'), 'EVALSHA')).toBe(true);
    expect(redis.asks(command('EVAL', 'evalsha'), 'EVALSHA')).toBe(false);
    expect(redis.asks(command('PING'), '*')).toBe(true);
  });

  it('is an API of Kafka by its number', () => {
    expect(protocolOf('kafka:').asks(kafka(0, 7), 'Produce')).toBe(true);
    expect(protocolOf('kafka:').asks(kafka(1, 0), 'Produce')).toBe(false);
  });

  it('is unknown where the protocol is opaque: what comes is handed on as it comes', () => {
    const grpc = protocolOf('tcp:');
    expect(createFramer(grpc)(Buffer.from('PRI *'))).toEqual([Buffer.from('PRI *')]);
    expect(grpc.asks(Buffer.from('COMMIT'), 'COMMIT')).toBe(false);
    expect(grpc.names.test('COMMIT')).toBe(false);
  });
});

describe('answers of a broker', () => {
  const host = '127.0.0.1';
  const answer = (correlationId: number): Buffer => {
    const body = Buffer.concat([int32(correlationId), Buffer.from(host), int32(9092), int32(9092)]);
    return Buffer.concat([int32(body.length), body]);
  };

  it('name the proxy instead of the broker, where they name brokers, and are else untouched', () => {
    const answers = createKafkaAnswers({ host, port: 9092 });
    answers.request(kafka(3, 5)); // Metadata
    answers.request(kafka(1, 6)); // Fetch
    const changed = answers.answers(Buffer.concat([answer(5), answer(6)]), 4711);
    const ports = [changed.readInt32BE(17), changed.readInt32BE(21)];
    expect(ports).toEqual([4711, 9092]);
    expect(changed.subarray(answer(5).length)).toEqual(answer(6));
  });

  it('are passed on whole', () => {
    const answers = createKafkaAnswers({ host, port: 9092 });
    const [whole] = [answer(1)];
    expect(answers.answers(whole.subarray(0, 9), 1)).toHaveLength(0);
    expect(answers.answers(whole.subarray(9), 1)).toEqual(whole);
  });
});
