import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

import { Registry } from 'prom-client';

import { installApplication, type Application } from '../../contracts/engine/application';
import { createSqlPool, type SqlPool } from '../../activities/fence/sql-transaction';
import { loadRelayConfig, unknownVariables } from '../config';
import { ConfigurationError } from '../../runtime/environment';
import { armFaults } from '../../runtime/faults/menu';
import { clusterPremise, createInstallation, ownedDatabase } from '../../runtime/installation';
import { createLogger } from '../../runtime/logger';
import { createPremises } from '../../runtime/premises';
import { serveMetrics } from '../metrics';
import { announceReadiness } from '../../runtime/readiness';
import { stopOnSignal } from '../../runtime/shutdown';
import { startOnPremises } from '../premises';
import { runProcess } from '../../runtime/start';
import { allTopics, createKafka } from '../../runtime/kafka/client';
import { kafkaRegistration } from '../../runtime/kafka/premises';
import { createEventProducer, kafkaProducers } from './kafka-producer';
import { createRelayMetrics } from './metrics';
import { createOutboxStore } from './outbox-store';
import { createRelay, relayDefaults } from './relay';

/** Connections to one database: leases, the batch and the clean-up, each one at a time. */
const connectionsPerDatabase = 3;

/**
 * Runs this process as a relay: its configuration comes from the environment, and SIGTERM or SIGINT stops it. It ends with
 * 1 where it cannot start or a server breaks what is required of it.
 */
export function runRelay({ application }: { readonly application: Application }): void {
  runProcess('relay', () => relayEvents(application));
}

async function relayEvents(application: Application): Promise<void> {
  installApplication(application);
  const config = loadRelayConfig();
  const logger = createLogger({ process: 'relay', level: config.logLevel });
  for (const warning of unknownVariables('relay')) logger.warn(warning);
  const registry = new Registry();
  const relayId = `${hostname()}:${process.pid}:${randomUUID()}`.slice(-128);

  const databases = config.databaseUrls.map((url) => {
    const pool = createSqlPool({ url, connectionLimit: connectionsPerDatabase });
    const database = new URL(url).pathname.slice(1);
    const { leaseMs } = relayDefaults;
    const outbox = createOutboxStore({ database, pool, relayId, leaseMs });
    return { pool, outbox, owned: ownedDatabase(url, pool) };
  });
  const kafka = createKafka(config.kafka, { clientId: 'accord-relay', logger });
  const producer = createEventProducer({
    kafka: kafkaProducers(kafka),
    topics: allTopics(config.kafka),
  });
  const { region, cluster } = config;
  const home = databases.find(({ outbox }) => outbox.database.endsWith('accord'));
  const hub = home?.pool;
  if (region !== undefined && !hub)
    throw new ConfigurationError(
      'ACCORD_REGION needs the database accord among RELAY_DATABASE_URLS.',
    );
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
  const [first, ...others] = home ? [home, ...databases.filter((one) => one !== home)] : databases;
  if (!first) throw new Error('RELAY_DATABASE_URLS names no database.');
  const installation = createInstallation(
    first.owned,
    others.map(({ owned }) => owned),
  );
  const premises = createPremises(
    [
      ...databases.map(({ pool, outbox }) => ({
        server: `mysql ${outbox.database}`,
        ask: () => pool.brokenPremises(),
      })),
      installation.databases,
      ...(region !== undefined && home ? [clusterPremise(home.owned, cluster)] : []),
      kafkaRegistration(kafka, config.kafka, installation),
    ],
    { logger, registry },
  );
  const work = await startOnPremises(premises, logger, () => relay.start());
  logger.info({ relayId, metricsPort: metrics.port }, 'Relay started.');
  announceReadiness(config.readyFile, metrics.port);
  stopOnSignal(logger, async () => {
    await work.stop();
    await relay.stop();
    await producer.close();
    await Promise.all(databases.map(({ pool }) => pool.close()));
    await metrics.close();
  });
}

/**
 * Whether the hub names this region as the active one. Throws where the hub does not answer: then this relay renews no
 * lease, and does not publish after their end.
 */
async function isActiveRegion(hub: SqlPool, cluster: string, region: string): Promise<boolean> {
  const [row] = await hub.select<{ readonly region: string }>(
    'SELECT region FROM cluster_state WHERE cluster = ?',
    [cluster],
  );
  return row?.region === region;
}
