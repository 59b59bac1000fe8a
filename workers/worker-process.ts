import { Runtime, type Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';

import { installApplication, type Application } from '../contracts/engine/application';
import { createLogger, type Logger } from '../runtime/logger';
import type { Premises, PremisesBroken } from '../runtime/premises';
import { announceReadiness } from '../runtime/readiness';
import { leaveOnSignal } from '../runtime/shutdown';
import { unknownVariables } from './config';
import { serveMetrics } from './metrics';
import { keepPremises } from './premises';
import { createTransactionMetrics, type TransactionMetrics } from './transactions/metrics';

/** What every process of a Temporal worker has before its own parts. */
export interface WorkerProcess<Config> {
  readonly config: Config;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly metrics: TransactionMetrics;
  /**
   * Serves until the worker is drained, then closes.
   *
   * @param close closes what the process has opened itself; called once, whatever happened.
   * @throws PremisesBroken where a server breaks what is required of it: the worker is drained first.
   */
  readonly serve: (parts: {
    readonly worker: Worker;
    readonly premises: Premises;
    /** Called when the worker has drained. */
    readonly onDrained?: () => Promise<void>;
    readonly close: () => Promise<void>;
  }) => Promise<void>;
}

interface ConfigOfEach {
  readonly logLevel: string;
  readonly metrics: { readonly host: string; readonly port: number };
  readonly readyFile: string | undefined;
}

/** Begins the process of a worker: its application, configuration, log and metrics. */
export async function beginWorkerProcess<Config extends ConfigOfEach>(
  name: 'transactions' | 'failover',
  application: Application,
  load: () => Config,
): Promise<WorkerProcess<Config>> {
  installApplication(application);
  const config = load();
  const logger = createLogger({ process: name, level: config.logLevel });
  for (const warning of unknownVariables(name)) logger.warn(warning);
  const isAtWork = leaveOnSignal();
  Runtime.install({
    shutdownSignals: ['SIGINT', 'SIGTERM'],
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' } } },
  });
  const registry = new Registry();
  const metrics = createTransactionMetrics(registry, logger);
  const endpoint = await serveMetrics(registry, config.metrics);
  return {
    ...{ config, logger, registry, metrics },
    async serve({ worker, premises, onDrained, close }) {
      let broken: PremisesBroken | undefined;
      const watch = keepPremises(premises, (error) => {
        if (!broken) worker.shutdown();
        broken ??= error;
      });
      logger.info({ metricsPort: endpoint.port }, `The ${name} worker has started.`);
      announceReadiness(config.readyFile, endpoint.port);
      isAtWork();
      try {
        await worker.run();
        await onDrained?.();
      } finally {
        await watch.stop();
        await endpoint.close();
        await close();
      }
      if (broken) throw broken;
    },
  };
}
