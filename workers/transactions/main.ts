import { installApplication } from '../../contracts/engine/application';
import { shop } from '../../contracts/shop';
import { join } from 'node:path';

import { Runtime, type NativeConnection } from '@temporalio/worker';
import { Registry } from 'prom-client';

import { createAllowanceStore } from '../../activities/accounts/allowance-store';
import { createEpochSource } from '../../activities/fence/epoch';
import { armFaults } from '../../runtime/faults/menu';
import { createLockStore } from '../../activities/locks/lock-store';
import { demandKeep } from '../../activities/retention/activities';
import { createStuckMarks } from '../../activities/runs/stuck-marks';
import { runsChannel } from '../../contracts/engine/runs';
import { loadTransactionWorkerConfig, unknownVariables } from '../config';
import { openTransactionDependencies } from '../dependencies';
import { createLogger } from '../../runtime/logger';
import { createPremises, type PremisesBroken } from '../../runtime/premises';
import { announceReadiness } from '../../runtime/readiness';
import { leaveOnSignal } from '../../runtime/shutdown';
import { runProcess } from '../../runtime/start';
import { serveMetrics } from '../metrics';
import { keepPremises } from '../premises';
import { createActivities } from './activities';
import { createTransactionMetrics } from './metrics';
import { ensureSchedules } from './schedules';
import { shopImplementations } from './shop';
import { createTransactionWorker } from './worker';

/** Built beside this file's own folder: dist/workflow-bundle.js. */
const workflowBundlePath = join(__dirname, '..', '..', 'workflow-bundle.js');

async function main(): Promise<void> {
  installApplication(shop);
  const config = loadTransactionWorkerConfig();
  const logger = createLogger({ process: 'transactions', level: config.logLevel });
  for (const warning of unknownVariables('transactions')) logger.warn(warning);
  const isAtWork = leaveOnSignal();
  Runtime.install({
    shutdownSignals: ['SIGINT', 'SIGTERM'],
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' } } },
  });
  const registry = new Registry();
  const metrics = createTransactionMetrics(registry, logger);
  const endpoint = await serveMetrics(registry, config.metrics);
  const dependencies = await openTransactionDependencies(config, logger);
  const { databases, redis, redisCommands, connection, client } = dependencies;
  const premises = createPremises(dependencies.premises, { logger, registry });
  await premises.demand();

  demandKeep(config.fenceKeepMs, await temporalRetentionMs(connection, config.temporal.namespace));
  const faults = armFaults(config.faults, logger);
  const worker = await createTransactionWorker({
    connection,
    namespace: config.temporal.namespace,
    workflowBundlePath,
    faults,
    metrics,
    stuckMarks: createStuckMarks(databases.accord),
    stuckAlarmMs: config.stuckAlarmMs,
    activities: createActivities({
      databases,
      cluster: config.cluster,
      epochs: createEpochSource(databases.accord, config.cluster),
      locks: createLockStore({ redis: redisCommands }),
      implementations: shopImplementations(createAllowanceStore({ redis: redisCommands }), () =>
        metrics.velocityUncounted(),
      ),
      fenceKeepMs: config.fenceKeepMs,
      faults,
      metrics,
      wake: (gid) => void redis.publish(runsChannel, gid).catch(() => undefined), // Whoever waits also polls.
    }),
  });
  if (config.keepsSchedules) {
    // The jobs of a worker that cannot say when are those of the others, or of its next start.
    await ensureSchedules(client).catch((error: unknown) =>
      logger.warn({ err: error }, 'The schedules of the jobs could not be set.'),
    );
  }
  let broken: PremisesBroken | undefined;
  const watch = keepPremises(premises, (error) => {
    if (!broken) worker.shutdown();
    broken ??= error;
  });
  logger.info({ metricsPort: endpoint.port }, 'Transaction worker started.');
  announceReadiness(config.readyFile, endpoint.port);
  isAtWork();
  try {
    await worker.run();
    await faults.reach('worker.shutdown', 'beforeAck');
  } finally {
    await watch.stop();
    await endpoint.close();
    await dependencies.close();
  }
  if (broken) throw broken;
}

/** For how long Temporal remembers a closed run, which may be reset as long as it does. */
async function temporalRetentionMs(
  connection: NativeConnection,
  namespace: string,
): Promise<number> {
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000;
}

runProcess('transactions', async () => {
  await main();
  process.exit(0); // Drained: what its clients still have open is of no use.
});
