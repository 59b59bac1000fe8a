import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Connection } from '@temporalio/client';
import { Redis } from 'ioredis';

import { createProxy, type Proxy } from '../../../../runtime/tcp-proxy/proxy';
import type { Stack } from '../../../../testing/stack/stack';
import { createKafka } from '../../../../runtime/kafka/client';
import { eventually } from '../../../support/eventually';
import { ownKafka, readyTopics, silentLogger } from '../../../support/kafka';
import { testStack } from '../../../support/stack';
import { openConnection } from '../../../../runtime/mysql/door';

describe('the proxy', () => {
  let stack: Stack;
  const opened: (() => unknown)[] = [];
  beforeAll(async () => {
    stack = await testStack();
  });
  afterEach(async () => {
    for (const close of opened.splice(0).reverse()) await close();
  });

  const proxyTo = async (target: string): Promise<Proxy> => {
    const proxy = await createProxy({ target });
    opened.push(() => proxy.close());
    return proxy;
  };
  const redisAt = (url: string): Redis => {
    const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => 20 });
    redis.on('error', () => undefined); // What a call meets is what the test looks at.
    opened.push(() => redis.disconnect());
    return redis;
  };
  const temporalAt = async (address: string): Promise<Connection> => {
    const connection = Connection.lazy({ address });
    opened.push(() => connection.close());
    return Promise.resolve(connection);
  };
  const ask = (connection: Connection, withinMs = 5_000) =>
    connection.withDeadline(Date.now() + withinMs, () =>
      connection.workflowService.getSystemInfo({}),
    );
  const took = async (work: Promise<unknown>): Promise<number> => {
    const began = performance.now();
    await work;
    return performance.now() - began;
  };

  describe('before MySQL', () => {
    it('passes what is asked and answered, refuses while it is down, and is there again', async () => {
      const proxy = await proxyTo(stack.mysql.adminUrl);
      const answered = async (): Promise<unknown> => {
        const session = await openConnection({ url: proxy.url });
        const [rows] = await session.query('SELECT 40 + 2 AS answer');
        await session.end();
        return rows;
      };
      expect(await answered()).toEqual([{ answer: 42 }]);
      await proxy.down();
      await expect(answered()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await proxy.up();
      expect(await answered()).toEqual([{ answer: 42 }]);
      expect(proxy.counters()).toMatchObject({ accepted: 2, cutsAfter: 0, cutsBefore: 0 });
    });

    it('knows what it can cut, and says so', async () => {
      const proxy = await proxyTo(stack.mysql.adminUrl);
      expect(() => proxy.cutAfter('EVALSHA')).toThrow('Nothing to cut at "EVALSHA"');
      const opaque = await proxyTo(`tcp://${stack.temporal.address}`);
      expect(() => opaque.cutBefore('COMMIT')).toThrow('Nothing to cut');
    });
  });

  describe('before Redis', () => {
    const script = `return redis.call('INCR', KEYS[1])`;

    it.each([
      ['cutAfter', 1],
      ['cutBefore', 0],
    ] as const)('%s a script: the client sees a reset, and it ran %i times', async (cut, times) => {
      const proxy = await proxyTo(stack.redis.url);
      const [through, straight] = [redisAt(proxy.url), redisAt(stack.redis.url)];
      const sha = String(await straight.script('LOAD', script));
      const key = `proxy-${randomUUID()}`;
      await through.ping();
      proxy[cut]('EVALSHA');
      await expect(through.evalsha(sha, 1, key)).rejects.toThrow();
      expect(Number(await straight.get(key))).toBe(times);
      expect(proxy.counters()).toMatchObject({ cutsAfter: times, cutsBefore: 1 - times });
      await eventually(() => through.evalsha(sha, 1, key));
      expect(await straight.getdel(key)).toBe(String(times + 1));
    });

    it('cuts any command where it is told so, and one of several that come together', async () => {
      const proxy = await proxyTo(stack.redis.url);
      const redis = redisAt(proxy.url);
      await redis.ping();
      proxy.cutBefore('*');
      await expect(redis.ping()).rejects.toThrow();
      await eventually(() => redis.ping());
      proxy.cutAfter('ECHO', 1);
      const answers = await redis.pipeline().ping().echo('lost').exec();
      expect(answers?.at(1)?.[0]).toBeInstanceOf(Error);
      expect(proxy.counters()).toMatchObject({ cutsAfter: 1, cutsBefore: 1 });
    });

    it('lets requests through whose answers are lost, and the other way round', async () => {
      const proxy = await proxyTo(stack.redis.url);
      const [through, straight] = [redisAt(proxy.url), redisAt(stack.redis.url)];
      const key = `proxy-${randomUUID()}`;
      await through.ping();
      proxy.pass('requestsOnly');
      const lost = through.incr(key).catch(() => 'lost');
      // Redis may tell us of the effect before its answer to the other has reached the proxy.
      await eventually(() => proxy.counters().swallowed > 0);
      expect(await straight.get(key)).toBe('1');
      proxy.pass('open'); // Its stream has a hole, so it is reset.
      expect(await lost).toBe('lost');
      await eventually(() => through.ping());
      proxy.pass('answersOnly');
      const { swallowed } = proxy.counters();
      const never = through.incr(key).catch(() => 'lost');
      await eventually(() => proxy.counters().swallowed > swallowed);
      proxy.pass('open');
      expect(await never).toBe('lost');
      expect(await straight.getdel(key)).toBe('1');
    });

    it('keeps the order of what it delays, also when the latency falls meanwhile', async () => {
      const proxy = await proxyTo(stack.redis.url);
      const redis = redisAt(proxy.url);
      await redis.ping();
      proxy.latency(100);
      const { passed } = proxy.counters();
      const arrived: string[] = [];
      const first = redis.echo('first').then((answer) => arrived.push(answer));
      await eventually(() => proxy.counters().passed > passed); // It is on the slow line.
      proxy.latency(0);
      await Promise.all([first, redis.echo('second').then((answer) => arrived.push(answer))]);
      expect(arrived).toEqual(['first', 'second']);
    });

    it('lets no more bytes pass than it is told', async () => {
      const proxy = await proxyTo(stack.redis.url);
      const redis = redisAt(proxy.url);
      await redis.ping();
      proxy.bandwidth(20_000);
      // Four thousand bytes, there and back, at the same time on both lines but one after the other for each.
      expect(await took(redis.echo('x'.repeat(4_000)))).toBeGreaterThan(350);
      proxy.bandwidth(0);
    });
  });

  describe('before Kafka', () => {
    it.each([
      ['cutAfter', 1],
      ['cutBefore', 0],
    ] as const)(
      '%s a produce request: the broker has the record %i times, and the client goes through the proxy',
      async (cut, times) => {
        const own = await ownKafka();
        opened.push(() => own.drop());
        const [broker = ''] = stack.kafka.brokers;
        const proxy = await proxyTo(`kafka://${broker}`);
        const topic = `${own.settings.topicPrefix}proxy`;
        const admin = own.kafka.admin();
        await admin.connect();
        await readyTopics(own, [topic]);
        const records = async (): Promise<number> => {
          const partitions = await admin.fetchTopicOffsets(topic);
          return partitions.reduce((sum, { high }) => sum + Number(high), 0);
        };
        const through = createKafka(
          { brokers: [proxy.address], topicPrefix: '' },
          { clientId: 'proxy', logger: silentLogger },
        );
        const producer = through.producer({ retry: { retries: 0 } });
        await producer.connect();
        const send = () => producer.send({ topic, messages: [{ value: 'one' }] });
        await send();
        expect(await records()).toBe(1);
        proxy[cut]('Produce');
        await expect(send()).rejects.toThrow();
        await eventually(async () => (await records()) === 1 + times);
        expect(proxy.counters()).toMatchObject({ cutsAfter: times, cutsBefore: 1 - times });
        await producer.disconnect();
        await admin.disconnect();
      },
    );
  });

  describe('before Temporal', () => {
    it('delays, swallows and resets, and a client that goes on works again', async () => {
      const proxy = await proxyTo(`tcp://${stack.temporal.address}`);
      const temporal = await temporalAt(proxy.address);
      await ask(temporal);
      proxy.latency(150);
      expect(await took(ask(temporal))).toBeGreaterThan(290);
      proxy.latency(0);
      proxy.pass('blackhole');
      await expect(ask(temporal, 500)).rejects.toThrow('DEADLINE_EXCEEDED');
      proxy.pass('open');
      await eventually(() => ask(temporal, 1_000), { withinMs: 10_000 });
      proxy.reset();
      await eventually(() => ask(temporal, 1_000), { withinMs: 10_000 });
    });
  });

  it('routes: after retarget old connections stay where they are, and new ones go to the other server', async () => {
    const proxy = await proxyTo(stack.redis.url);
    const redis = redisAt(proxy.url);
    await redis.ping();
    const other = await proxyTo(stack.redis.url);
    proxy.retarget(other.url);
    await redis.ping();
    expect(other.counters().accepted).toBe(0);
    proxy.reset();
    await eventually(() => redis.ping());
    expect(other.counters().accepted).toBe(1);
    expect(proxy.counters()).toMatchObject({ accepted: 2, open: 1 });
  });

  it('refuses new connections, and lets the old ones live', async () => {
    const proxy = await proxyTo(stack.redis.url);
    const old = redisAt(proxy.url);
    await old.ping();
    proxy.refuse(true);
    await expect(redisAt(proxy.url).ping()).rejects.toThrow();
    await old.ping();
    proxy.refuse(false);
    await redisAt(proxy.url).ping();
    expect(proxy.counters().refused).toBeGreaterThan(0);
  });
});
