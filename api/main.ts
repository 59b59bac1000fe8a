import { collectDefaultMetrics } from 'prom-client';

import { loadConfig } from './config';
import { openDependencies, type Dependencies } from './dependencies';
import { createLogger } from './logger';
import { buildServer, type Server } from './server';

/** From the first signal to the last line: above it something hangs, and a supervisor's kill is near. */
const shutdownMaxMs = 30_000;

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = createLogger(config.logLevel);
  const dependencies = openDependencies(config, (error) =>
    logger.warn({ err: error }, 'A client lost its server.'),
  );
  const server = await buildServer({ config, dependencies, logger });
  collectDefaultMetrics({ register: server.metrics.registry });
  closeOnSignal(server, dependencies, config.shutdownGraceMs);
  server.starter.begin();
  await server.api.listen(config.listen);
}

/**
 * The first signal ends the process in order: readiness falls; after the grace starts are refused, waits end, the port
 * closes and what is in hand is finished; then the starter, then the clients. A second signal ends it at once.
 */
function closeOnSignal(server: Server, dependencies: Dependencies, graceMs: number): void {
  let isClosing = false;
  const close = async (): Promise<void> => {
    server.beUnready();
    await new Promise((resolve) => setTimeout(resolve, graceMs));
    server.stopTakingStarts();
    await server.api.close();
    await server.starter.stop();
    await dependencies.close();
    process.exit(0);
  };
  const onSignal = (): void => {
    if (isClosing) process.exit(1);
    isClosing = true;
    setTimeout(() => process.exit(1), shutdownMaxMs).unref();
    close().catch((error: unknown) => {
      server.api.log.error({ err: error }, 'The shutdown failed.');
      process.exit(1);
    });
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

main().catch((error: unknown) => {
  // There may be no logger yet: its level is part of the configuration.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
