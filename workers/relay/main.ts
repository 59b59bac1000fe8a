import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { Registry } from 'prom-client';

import { createSqlPool, type SqlPool } from '../../activities/sql-transaction';
import { loadRelayConfig } from '../config';
import { armFaults } from '../../processes/fault-menu';
import { createLogger } from '../../processes/logger';
import { serveMetrics } from '../metrics';
import { stopOnSignal } from '../../processes/shutdown';
import { allTopics, createKafka } from './kafka-client';
import { createEventProducer, kafkaProducers } from './kafka-producer';
import { createRelayMetrics } from './metrics';
import { createOutboxStore } from './outbox-store';
import { createRelay, relayDefaults } from './relay';

/** Connections to one database: leases, the batch and the clean-up, each one at a time. */
const connectionsPerDatabase = 3;

async function main(): Promise<void> {
  const config = loadRelayConfig();
  const logger = createLogger({ process: 'relay', level: config.logLevel });
  const registry = new Registry();
  const relayId = `${hostname()}:${process.pid}:${randomUUID()}`.slice(-128);

  const databases = config.databaseUrls.map((url) => {
    const pool = createSqlPool({ url, connectionLimit: connectionsPerDatabase });
    const database = new URL(url).pathname.slice(1);
    const { leaseMs } = relayDefaults;
    return { pool, outbox: createOutboxStore({ database, pool, relayId, leaseMs }) };
  });
  const producer = createEventProducer({
    kafka: kafkaProducers(createKafka(config.kafka, { clientId: 'accord-relay', logger })),
    topics: allTopics(config.kafka),
  });
  const { region, cluster } = config;
  const hub = databases.find(({ outbox }) => outbox.database.endsWith('accord'))?.pool;
  if (region !== undefined && !hub)
    throw new Error('ACCORD_REGION needs the database accord among RELAY_DATABASE_URLS.');
  const relay = createRelay({
    ...(region !== undefined && hub && { isActive: () => isActiveRegion(hub, cluster, region) }),
    outboxes: databases.map(({ outbox }) => outbox),
    producer,
    metrics: createRelayMetrics(registry),
    logger,
    faults: armFaults(config.faults, logger),
    settings: { keepSeconds: config.keepSeconds, topicPrefix: config.kafka.topicPrefix },
  });

  const metrics = await serveMetrics(registry, config.metrics);
  relay.start();
  logger.info({ relayId, metricsPort: metrics.port }, 'Relay started.');
  stopOnSignal(logger, async () => {
    await relay.stop();
    await producer.close();
    await Promise.all(databases.map(({ pool }) => pool.close()));
    await metrics.close();
  });
}

/** As the hub says now; where it does not answer, nobody publishes. */
async function isActiveRegion(hub: SqlPool, cluster: string, region: string): Promise<boolean> {
  const [row] = await hub.select<{ readonly region: string }>(
    'SELECT region FROM cluster_state WHERE cluster = ?',
    [cluster],
  );
  return row?.region === region;
}

void main();
