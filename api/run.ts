import { setTimeout as delay } from 'node:timers/promises';

import { collectDefaultMetrics } from 'prom-client';

import { installApplication } from '../contracts/engine/application';
import { armFaults } from '../runtime/faults/menu';
import { listenError } from '../runtime/listening';
import { createLogger } from '../runtime/logger';
import { announceReadiness } from '../runtime/readiness';
import { stopOnSignal } from '../runtime/shutdown';
import { runProcess } from '../runtime/start';
import { noChecks } from '../invariants/checks';
import { loadConfig, noVariables, unknownVariables, type Config } from './config';
import { openDependencies, type Dependencies } from './dependencies';
import type { ApiParts } from './parts';
import { buildServer, type Server } from './server';

/**
 * Runs the API of an application until a signal ends it: transactions, steering, approvals, keys, audit, checks and
 * health as every application has them, and what its parts add.
 */
export function runApi<Own extends object, Stores>(parts: ApiParts<Own, Stores>): void {
  runProcess('api', () => serve(parts));
}

async function serve<Own extends object, Stores>(parts: ApiParts<Own, Stores>): Promise<void> {
  installApplication(parts.application);
  const { variables = noVariables as NonNullable<typeof parts.variables> } = parts;
  const config = loadConfig(variables);
  const logger = createLogger({ process: 'api', level: config.logLevel });
  for (const warning of unknownVariables(variables)) logger.warn(warning);
  const dependencies = openDependencies(config, {
    onError: (error) => logger.warn({ err: error }, 'A client lost its server.'),
    checks: parts.checks ?? noChecks,
    openStores: (open) => parts.stores?.(config, open) as Stores,
  });
  const faults = armFaults(config.faults, logger);
  const server = await buildServer({ ...parts, config, dependencies, logger, faults });
  collectDefaultMetrics({ register: server.metrics.registry });
  const { shutdownGraceMs: graceMs } = config;
  stopOnSignal(logger, () => close(server, dependencies, graceMs), graceMs);
  await server.premises.begin();
  await listen(server, config);
}

async function listen(server: Server, { listen: where, readyFile }: Config): Promise<void> {
  const url = await server.api.listen(where).catch((error: unknown) => {
    throw listenError(error, { ...where, variables: { host: 'API_HOST', port: 'API_PORT' } });
  });
  server.starter.begin();
  announceReadiness(readyFile, Number(new URL(url).port));
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
