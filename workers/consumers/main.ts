import { installApplication } from '../../contracts/engine/application';
import { shop } from '../../contracts/shop';
import { Registry } from 'prom-client';

import { createSqlPool } from '../../activities/fence/sql-transaction';
import { topicOf } from '../../contracts/engine/events';
import { loadConsumerConfig, unknownVariables } from '../config';
import { armFaults } from '../../runtime/faults/menu';
import { createInstallation, ownedDatabase } from '../../runtime/installation';
import { createLogger } from '../../runtime/logger';
import { createPremises } from '../../runtime/premises';
import { serveMetrics } from '../metrics';
import { startOnPremises } from '../premises';
import { createKafka } from '../../runtime/kafka/client';
import { kafkaRegistration } from '../../runtime/kafka/premises';
import { announceReadiness } from '../../runtime/readiness';
import { stopOnSignal } from '../../runtime/shutdown';
import { runProcess } from '../../runtime/start';
import { consumerDefaults, createConsumer } from './kafka-consumer';
import { createConsumerMetrics } from './metrics';
import { createOrderViewProcessor, orderViewConsumer } from './order-view/processor';

async function main(): Promise<void> {
  installApplication(shop);
  const config = loadConsumerConfig();
  const logger = createLogger({ process: 'consumers', level: config.logLevel });
  for (const warning of unknownVariables('consumer')) logger.warn(warning);
  const registry = new Registry();
  const metrics = createConsumerMetrics(registry, orderViewConsumer);

  const connectionLimit = consumerDefaults.concurrency + 1;
  const pool = createSqlPool({ url: config.databaseUrl, connectionLimit });
  const kafka = createKafka(config.kafka, { clientId: orderViewConsumer, logger });
  const consumer = createConsumer({
    kafka,
    processor: createOrderViewProcessor({ pool, metrics, logger }),
    logger,
    faults: armFaults(config.faults, logger),
    onLag: (partition, records) => metrics.lag(partition, records),
    settings: {
      ...consumerDefaults,
      groupId: `${config.kafka.topicPrefix}${orderViewConsumer}`,
      topic: `${config.kafka.topicPrefix}${topicOf('orders')}`,
      place: 'consumer.order-view',
    },
  });

  const endpoint = await serveMetrics(registry, config.metrics);
  const installation = createInstallation(ownedDatabase(config.databaseUrl, pool, 'orders'));
  const premises = createPremises(
    [
      { server: 'mysql orders', ask: () => pool.brokenPremises() },
      installation.databases,
      kafkaRegistration(kafka, config.kafka, installation),
    ],
    { logger, registry },
  );
  const work = await startOnPremises(premises, logger, () => consumer.start());
  logger.info({ metricsPort: endpoint.port }, 'Consumer started.');
  announceReadiness(config.readyFile, endpoint.port);
  stopOnSignal(logger, async () => {
    await work.stop();
    await consumer.stop();
    await pool.close();
    await endpoint.close();
  });
}

runProcess('consumers', main);
