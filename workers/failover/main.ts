import { shop } from '../../contracts/shop';
import { join } from 'node:path';

import { Context } from '@temporalio/activity';
import { Client } from '@temporalio/client';

import { clusterEpoch, createEpochSource } from '../../activities/fence/epoch';
import { createFence } from '../../activities/fence/fence';
import { createRegionsActivities } from '../../activities/regions/switch/activities';
import { createHubStore } from '../../activities/regions/hub-row';
import { createOpenMoves } from '../../activities/regions/switch/open-moves';
import { createWatchStore } from '../../activities/regions/watch/store';
import { createRunsActivities } from '../../activities/runs/activities';
import { createRunsStore } from '../../activities/runs/runs-store';
import { createStuckMarks } from '../../activities/runs/stuck-marks';
import { createSqlPool } from '../../activities/fence/sql-transaction';
import { failoverTaskQueue } from '../../contracts/engine/task-queues';
import { armFaults } from '../../runtime/faults/menu';
import { clusterPremise, createInstallation, ownedDatabase } from '../../runtime/installation';
import { createPremises } from '../../runtime/premises';
import { createServerClock } from '../../runtime/server-clock';
import { temporalPremises } from '../../runtime/temporal-premises';
import { runProcess } from '../../runtime/start';
import { loadFailoverConfig } from '../config';
import { connectTemporal, workerClockMs } from '../dependencies';
import { beginWorkerProcess } from '../worker-process';
import { named } from '../transactions/activities';
import { currentDelivery } from '../transactions/delivery-context';
import { createTransactionWorker } from '../transactions/worker';
import { repeat } from '../../runtime/repeat';
import { startHeartbeats } from './heartbeats';
import { startServiceHealth } from './service-health';
import { watchForLostRuns } from './lost-runs';
import { createWatching, ensureWatch, watchEventsOf } from './watching';

/** Built beside this file's own folder: dist/workflow-bundle.js. */
const workflowBundlePath = join(__dirname, '..', '..', 'workflow-bundle.js');
const connectionLimit = 8;
const stuckAlarmMs = 5_000; // A switch of regions takes seconds.
const ensureWatchEveryMs = 10_000;

async function main(): Promise<void> {
  const { config, logger, registry, metrics, serve } = await beginWorkerProcess(
    'failover',
    shop,
    loadFailoverConfig,
  );
  const hub = createSqlPool({ url: config.hubUrl, connectionLimit });
  const active = createSqlPool({ url: config.activeUrl, connectionLimit: 2 });
  const watched = createSqlPool({ url: config.watch.url, connectionLimit: 1 });
  const faults = armFaults(config.faults, logger);
  const epochs = createEpochSource(hub, config.cluster);
  const shared = { epochs, faults, delivery: currentDelivery, metrics: metrics.fence };
  const own = { pool: hub, epochRow: clusterEpoch(config.cluster) };
  const runs = createRunsActivities({
    fence: createFence({ ...shared, ...own }),
    runs: createRunsStore({ ...shared, ...own }),
    resolvedByHand: (gid, resolution) => metrics.resolvedByHand(gid, resolution),
  });
  const probe = new URL(config.activeUrl);
  const hubRow = createHubStore(hub, config.cluster);
  const regions = createRegionsActivities({
    hub: hubRow,
    router: config.router,
    regions: config.regions,
    participants: config.participants,
    probe: {
      user: probe.username,
      password: probe.password,
      database: probe.pathname.slice(1),
    },
    attempt: () => Context.current().info.attempt,
    entering: () => faults.reach(Context.current().info.activityType, 'before'),
  });
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const accord = ownedDatabase(config.hubUrl, hub, 'accord');
  const clock = createServerClock(accord, workerClockMs);
  const store = createWatchStore(hub, config.cluster);
  const onEvent = watchEventsOf(registry, logger);
  const watching = createWatching({
    ...{ accord: hub, hub: hubRow, stopping: stopping.signal, now: clock.now, store, onEvent },
    ...{ cluster: config.cluster, regions: config.regions },
    ...{ watchUrl: config.watch.url, acts: config.watch.acts },
  });
  const connection = await connectTemporal(config.temporal, logger);
  const client = new Client({ connection, namespace: config.temporal.namespace });
  const installation = createInstallation(accord);
  const premises = createPremises(
    [
      { server: 'mysql accord', ask: () => hub.brokenPremises() },
      installation.databases,
      // A region may be away: this is who brings another one up.
      {
        ...createInstallation(accord, [
          ownedDatabase(config.activeUrl, active, 'orders'),
          ownedDatabase(config.watch.url, watched, 'orders'),
        ]).databases,
        server: 'mysql orders installation',
        isOptional: true,
      },
      clusterPremise(accord, config.cluster),
      clock.premises,
      temporalPremises(client, installation),
    ],
    { logger, registry },
  );
  await premises.demand();
  const worker = await createTransactionWorker({
    connection,
    namespace: config.temporal.namespace,
    workflows: { bundlePath: workflowBundlePath },
    taskQueue: failoverTaskQueue,
    stackTraces: true, // Its workflows are few and long.
    activities: {
      ...named('accord', runs),
      ...named('regions', regions),
      ...named('watch', watching),
    },
    faults,
    metrics,
    stuckMarks: createStuckMarks(hub),
    stuckAlarmMs,
  });
  const heartbeats = startHeartbeats(
    { active, hub, cluster: config.cluster, now: clock.now },
    (error) => logger.warn({ err: error }, 'The active region does not take a heartbeat.'),
  );
  const health = startServiceHealth(
    {
      ...{ store, regions: config.regions, watchUrl: config.watch.url, now: clock.now },
    },
    (error) => logger.warn({ err: error }, 'How the services answer cannot be written down.'),
  );
  const watch = repeat(
    async () => {
      await ensureWatch(client, config.cluster);
      return ensureWatchEveryMs;
    },
    {
      onFailure: (error, failures) => {
        if (failures === 1) logger.warn({ err: error }, 'The watch could not be started yet.');
      },
      onRecovery: () => undefined,
    },
  );
  const lostRuns = watchForLostRuns(
    { moves: createOpenMoves(hub, config.cluster, clock.now), client, store, onEvent },
    (error) => logger.warn({ err: error }, 'Runs that are lost could not be looked for.'),
  );
  await serve({
    worker,
    premises,
    async close() {
      await Promise.all([heartbeats, health, watch, lostRuns].map((each) => each.stop()));
      await connection.close();
      await Promise.all([hub.close(), active.close(), watched.close()]);
    },
  });
}

runProcess('failover', async () => {
  await main();
  process.exit(0); // Drained: what its clients still have open is of no use.
});
