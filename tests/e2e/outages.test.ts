import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { topicOf } from '../../contracts/engine/events';
import { ensureTopics } from '../../runtime/kafka/client';
import { anOrder, ownApplication, type OwnApplication } from '../support/application';
import { expectEverythingPublished, expectSoundBooks } from '../support/books';
import { eventually } from '../support/eventually';
import { watchTopic } from '../support/kafka';

/** Nothing listens there: a connection is refused at once. */
const deadPort = '127.0.0.1:1';

/** The starter sends again what was not confirmed for ten seconds. */
const sentAgainWithinMs = 30_000;

describe('while a part is away', () => {
  let application: OwnApplication;
  let accepted = 0;

  beforeAll(async () => {
    application = await ownApplication();
    await Promise.all([application.start('api'), application.start('worker')]);
  }, 60_000);
  afterAll(() => application.close(), 60_000);

  const place = (
    order: object,
    options: { at?: string; key?: string; waitSeconds?: number } = {},
  ) => {
    accepted += 1;
    return application.request('POST', '/v1/orders', { body: order, ...options });
  };

  const expectCompleted = (orderId: string, withinMs = 20_000) =>
    eventually(
      async () => {
        const path = `/v1/transactions/order:acme.${orderId}`;
        return (await application.request('GET', path)).body['state'] === 'completed';
      },
      { withinMs, what: `${orderId} completed` },
    );

  const runsOf = async (orderId: string): Promise<number> => {
    const { count } = await application.temporal.workflow.count(
      `WorkflowId = 'order:acme.${orderId}'`,
    );
    return count;
  };

  it('a start that Temporal could not take is accepted, and sent by whoever reaches it', async () => {
    const at = await application.startApi('cut-off', { TEMPORAL_ADDRESS: deadPort });
    const order = anOrder();
    const answer = await place(order, { at });
    expect(answer.status).toBe(202);
    expect(answer.body['state']).toBe('accepted');
    await application.end('cut-off', 'SIGTERM'); // It would go on trying, and whoever tries keeps the others waiting.
    await expectCompleted(order.orderId, sentAgainWithinMs);
    expect(await runsOf(order.orderId)).toBe(1);
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('a start whose process was killed between its row and its run is sent by another, once', async () => {
    const FAULTS = 'api.start:afterCommit:kill:1';
    const order = anOrder();
    const at = await application.startApi('doomed', { FAULTS });
    await expect(place(order, { at })).rejects.toThrow(); // Cut off: the caller cannot know.
    await expectCompleted(order.orderId, sentAgainWithinMs);
    expect(await runsOf(order.orderId)).toBe(1);
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('a start whose answer was lost is answered when it comes again, and runs once', async () => {
    const FAULTS = 'api.start:beforeAck:kill:1';
    const order = anOrder();
    const key = `again-${order.orderId}`;
    const at = await application.startApi('speechless', { FAULTS });
    await expect(place(order, { at, key })).rejects.toThrow();
    const body = { body: order, key, waitSeconds: 25 };
    const answer = await application.request('POST', '/v1/orders', body);
    expect(answer.body).toMatchObject({ outcome: 'completed' });
    expect(answer.headers.get('idempotent-replayed')).toBe('true');
    expect(await runsOf(order.orderId)).toBe(1);
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('without Redis an order completes, and the API answers', async () => {
    const REDIS_URL = `redis://${deadPort}`;
    await application.end('worker', 'SIGTERM');
    await application.start('worker', 'without-redis', { REDIS_URL });
    const at = await application.startApi('api-without-redis', { REDIS_URL });
    const order = anOrder();
    const answer = await place(order, { at, waitSeconds: 25 });
    expect(answer.body).toMatchObject({ outcome: 'completed' });
    await application.end('without-redis', 'SIGTERM');
    await application.start('worker');
    await expectSoundBooks(application, accepted);
  }, 90_000);

  it('a relay that was killed is followed by one that brings every event to Kafka, and the views agree', async () => {
    const { kafka } = application;
    await Promise.all([application.start('relay', 'doomed-relay'), application.start('consumer')]);
    const topic = `${kafka.settings.topicPrefix}${topicOf('orders')}`;
    await ensureTopics(kafka.kafka, [topic]);
    const watched = await watchTopic(kafka, topic);
    try {
      const orders = Array.from({ length: 10 }, () => anOrder());
      const placed = Promise.all(orders.map((order) => place(order, { waitSeconds: 25 })));
      await eventually(() => watched.records.length > 0, {
        what: 'the first event',
        withinMs: 20_000,
      });
      await application.end('doomed-relay', 'SIGKILL');
      await placed;
      await application.start('relay');
      await expectEverythingPublished(application);
      const events = await application.sql<{ event_id: string }>(
        'orders',
        'SELECT event_id FROM outbox WHERE topic = ?',
        [topicOf('orders')],
      );
      await eventually(
        () => {
          const came = new Set(watched.records.map(({ headers }) => headers['event-id']));
          return events.every(({ event_id }) => came.has(event_id));
        },
        { what: 'every event in Kafka' },
      );
      await eventually(async () => (await application.sql('orders', staleViews)).length === 0, {
        withinMs: 20_000,
        what: 'the views of all orders',
      });
    } finally {
      await watched.stop();
    }
    await expectSoundBooks(application, accepted);
  }, 120_000);
});

const staleViews = `SELECT o.order_id FROM orders o LEFT JOIN order_views v
  ON v.order_id = o.order_id AND v.version = o.version AND v.status = o.status WHERE v.order_id IS NULL`;
