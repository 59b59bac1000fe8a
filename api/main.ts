import { installApplication } from '../contracts/engine/application';
import { shop } from '../contracts/shop';
import { setTimeout as delay } from 'node:timers/promises';

import { collectDefaultMetrics } from 'prom-client';

import { loadConfig, unknownVariables } from './config';
import { openDependencies, type Dependencies } from './dependencies';
import { armFaults } from '../runtime/faults/menu';
import { listenError } from '../runtime/listening';
import { createLogger } from '../runtime/logger';
import { announceReadiness } from '../runtime/readiness';
import { stopOnSignal } from '../runtime/shutdown';
import { runProcess } from '../runtime/start';
import { buildServer, type Server } from './server';

async function main(): Promise<void> {
  installApplication(shop);
  const config = loadConfig();
  const logger = createLogger({ process: 'api', level: config.logLevel });
  for (const warning of unknownVariables()) logger.warn(warning);
  const dependencies = openDependencies(config, (error) =>
    logger.warn({ err: error }, 'A client lost its server.'),
  );
  const faults = armFaults(config.faults, logger);
  const server = await buildServer({ config, dependencies, logger, faults });
  collectDefaultMetrics({ register: server.metrics.registry });
  const { shutdownGraceMs: graceMs, listen } = config;
  stopOnSignal(logger, () => close(server, dependencies, graceMs), graceMs);
  await server.premises.begin();
  const url = await server.api.listen(listen).catch((error: unknown) => {
    throw listenError(error, { ...listen, variables: { host: 'API_HOST', port: 'API_PORT' } });
  });
  server.starter.begin();
  announceReadiness(config.readyFile, Number(new URL(url).port));
}

/**
 * The end in order: readiness falls; after the grace starts are refused, waits end, the port closes and what is in hand
 * is finished; then the starter, then the clients.
 */
async function close(server: Server, dependencies: Dependencies, graceMs: number): Promise<void> {
  server.beUnready();
  await delay(graceMs);
  server.stopTakingStarts();
  await server.api.close();
  await server.starter.stop();
  await server.premises.stop();
  await dependencies.close();
}

runProcess('api', main);
