import { setTimeout as delay } from 'node:timers/promises';

import { collectDefaultMetrics } from 'prom-client';

import { loadConfig } from './config';
import { openDependencies, type Dependencies } from './dependencies';
import { armFaults } from '../processes/fault-menu';
import { createLogger } from '../processes/logger';
import { stopOnSignal } from '../processes/shutdown';
import { buildServer, type Server } from './server';

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger({ process: 'api', level: config.logLevel });
  const dependencies = openDependencies(config, (error) =>
    logger.warn({ err: error }, 'A client lost its server.'),
  );
  const faults = armFaults(config.faults, logger);
  const server = await buildServer({ config, dependencies, logger, faults });
  collectDefaultMetrics({ register: server.metrics.registry });
  stopOnSignal(logger, () => close(server, dependencies, config.shutdownGraceMs));
  await server.premises.begin();
  server.starter.begin();
  await server.api.listen(config.listen);
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

main().catch((error: unknown) => {
  // There may be no logger yet: its level is part of the configuration.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1); // Clients that are open would keep it alive.
});
