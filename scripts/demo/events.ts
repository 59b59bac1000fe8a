/** The demo tenant's events as they come to Kafka. */
import { randomUUID } from 'node:crypto';

import { eventIdHeader } from '../../contracts/engine/events';
import { createLogger } from '../../runtime/logger';
import { allTopics, createKafka, ensureTopics } from '../../runtime/kafka/client';
import { databases } from '../../runtime/databases/shop';
import { pause } from '../../runtime/waiting';
import { gidsOf, ofTenant } from './tenant';
import type { Scene } from './scene';

/** Events of the tenant as they come to Kafka; each may come more than once, and counts once. */
export interface EventRecords {
  eventIds(topic: string): ReadonlySet<string>;
  close(): Promise<void>;
}

export async function watchEvents(
  brokers: readonly string[],
  tenant: string,
): Promise<EventRecords> {
  const settings = { brokers, topicPrefix: '' };
  const kafka = createKafka(settings, {
    clientId: 'accord-demo',
    logger: createLogger({ process: 'demo', level: 'silent' }),
  });
  await ensureTopics(kafka, allTopics(settings));
  const groupId = `accord-demo-${randomUUID()}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 });
  const isOfTenant = (eventId: string): boolean =>
    eventId.split(':')[1]?.startsWith(`${tenant}.`) === true;
  const seen = new Map<string, Set<string>>(allTopics(settings).map((topic) => [topic, new Set()]));
  await consumer.connect();
  await consumer.subscribe({ topics: [...seen.keys()], fromBeginning: true });
  await consumer.run({
    eachMessage: ({ topic, message }) => {
      const eventId = String(message.headers?.[eventIdHeader]);
      if (isOfTenant(eventId)) seen.get(topic)?.add(eventId);
      return Promise.resolve();
    },
  });
  return {
    eventIds: (topic) => seen.get(topic) ?? new Set(),
    async close() {
      await consumer.disconnect();
      const admin = kafka.admin();
      await admin.connect();
      await admin.deleteGroups([groupId]);
      await admin.disconnect();
    },
  };
}

const quietWithinMs = 30_000;

/**
 * Waits until every event of the tenant is in Kafka and has been applied: outbox rows marked, each of them seen by a
 * consumer of ours, and the order view's consumer as far as the orders are.
 *
 * @throws naming what is missing.
 */
export async function waitForEvents(scene: Scene, records: EventRecords): Promise<void> {
  const deadline = Date.now() + quietWithinMs;
  for (;;) {
    const missing = await missingEvents(scene, records);
    if (missing.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(`Not in Kafka, or not applied: ${missing.join(', ')}.`);
    await pause(100);
  }
}

async function missingEvents(scene: Scene, records: EventRecords): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const database of databases) {
    const events = await scene.rows<{ event_id: string; topic: string; published_at: Date | null }>(
      database,
      `SELECT event_id, topic, published_at FROM outbox WHERE ${ofTenant('gid')}`,
      gidsOf(scene),
    );
    for (const { event_id, topic, published_at } of events) {
      if (published_at === null || !records.eventIds(topic).has(event_id)) missing.push(event_id);
    }
  }
  const behind = await scene.rows<{ order_id: string }>(
    'orders',
    `SELECT o.order_id FROM orders o LEFT JOIN order_views v ON v.order_id = o.order_id AND v.version = o.version
       WHERE o.order_id LIKE CONCAT(?, '.%') AND v.order_id IS NULL`,
    [scene.tenant],
  );
  return [...missing, ...behind.map(({ order_id }) => `view of ${order_id}`)];
}
