import type { NativeConnection } from '@temporalio/worker';

import { acceptJobTransaction } from '../../activities/fence/accepted-runs';
import { poolOfParticipant } from '../../activities/fence/databases';
import { createEpochSource } from '../../activities/fence/epoch';
import { armFaults } from '../../runtime/faults/menu';
import { createLockStore } from '../../activities/locks/lock-store';
import { demandKeep } from '../../activities/retention/activities';
import { createStuckMarks } from '../../activities/runs/stuck-marks';
import type { Application } from '../../contracts/engine/application';
import type { KeptSums } from '../../invariants/stored-sums';
import { runsChannel } from '../../contracts/engine/runs';
import { loadTransactionWorkerConfig } from '../config';
import { openTransactionDependencies } from '../dependencies';
import { beginWorkerProcess } from '../worker-process';
import { createPremises } from '../../runtime/premises';
import { runProcess } from '../../runtime/start';
import { createActivities, type Implementations } from './activities';
import { engineSchedules, ensureSchedules, type JobSchedule } from './schedules';
import type { JobActivities, JobServices, WorkerServices } from './services';
import { createTransactionWorker, type Workflows } from './worker';

export interface TransactionWorkerParts {
  readonly application: Application;
  /** Makes the activities of each participant. Called once, at the start. */
  readonly implementations: (services: WorkerServices) => Implementations;
  /** Workflows of all flows and jobs. All workers of an application have the same. */
  readonly workflows: Workflows;
  /** Jobs beside those of the engine. Left out: none. */
  readonly schedules?: readonly JobSchedule[];
  /** Makes the activities of those jobs. Called once, at the start. Left out: none. */
  readonly jobActivities?: (services: JobServices) => JobActivities;
  /** The stored sums of each participant, which reconciliation keeps and compares. Left out: no participant has any. */
  readonly storedSums?: Readonly<Record<string, KeptSums>>;
}

/**
 * Runs this process as a transaction worker: its configuration comes from the environment, and SIGTERM or SIGINT drains
 * it. The process ends with the worker: with 0 once it is drained, with 1 where it cannot start or a server breaks what
 * is required of it.
 */
export function runTransactionWorker(parts: TransactionWorkerParts): void {
  runProcess('transactions', async () => {
    await work(parts);
    process.exit(0); // Drained: what its clients still have open is of no use.
  });
}

async function work({
  application,
  implementations,
  workflows,
  schedules = [],
  jobActivities,
  storedSums = {},
}: TransactionWorkerParts): Promise<void> {
  const { config, logger, registry, metrics, serve } = await beginWorkerProcess(
    'transactions',
    application,
    loadTransactionWorkerConfig,
  );
  const dependencies = await openTransactionDependencies(config, logger);
  const { databases, redis, redisCommands, connection, client } = dependencies;
  const premises = createPremises(dependencies.premises, { logger, registry });
  await premises.demand();

  demandKeep(config.fenceKeepMs, await temporalRetentionMs(connection, config.temporal.namespace));
  const faults = armFaults(config.faults, logger);
  const services: JobServices = {
    redis: redisCommands,
    metrics: registry,
    poolOf: (participant) => poolOfParticipant(databases, participant),
    accept: (transaction) => acceptJobTransaction(databases.accord, config.cluster, transaction),
  };
  const worker = await createTransactionWorker({
    connection,
    namespace: config.temporal.namespace,
    workflows,
    faults,
    metrics,
    stuckMarks: createStuckMarks(databases.accord),
    stuckAlarmMs: config.stuckAlarmMs,
    stackTraces: config.stackTraces,
    activities: createActivities({
      databases,
      cluster: config.cluster,
      epochs: createEpochSource(databases.accord, config.cluster),
      locks: createLockStore({ redis: redisCommands }),
      implementations: implementations(services),
      jobActivities: jobActivities?.(services) ?? {},
      storedSums,
      fenceKeepMs: config.fenceKeepMs,
      faults,
      metrics,
      // Callers that wait also poll.
      wake: (gids) => void redis.publish(runsChannel, gids.join('\n')).catch(() => undefined),
    }),
  });
  if (config.keepsSchedules) {
    // The jobs of a worker that cannot say when are those of the others, or of its next start.
    await ensureSchedules(client, [...engineSchedules, ...schedules]).catch((error: unknown) =>
      logger.warn({ err: error }, 'The schedules of the jobs could not be set.'),
    );
  }
  await serve({
    worker,
    premises,
    onDrained: () => faults.reach('worker.shutdown', 'beforeAck'),
    close: () => dependencies.close(),
  });
}

/** For how long Temporal remembers a closed run, which may be reset as long as it does. */
async function temporalRetentionMs(
  connection: NativeConnection,
  namespace: string,
): Promise<number> {
  const { config } = await connection.workflowService.describeNamespace({ namespace });
  return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000;
}
