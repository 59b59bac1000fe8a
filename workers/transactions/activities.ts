import { clusterEpoch, regionEpoch } from '../../activities/fence/epoch';
import type { EpochRow, EpochSource } from '../../activities/fence/epoch';
import type { FaultPoints } from '../../runtime/faults/points';
import { createFence } from '../../activities/fence/fence';
import { createLockActivities } from '../../activities/locks/activities';
import type { LockStore } from '../../activities/locks/lock-store';
import { createReconciliationActivities } from '../../activities/reconciliation/activities';
import { createRetentionActivities } from '../../activities/retention/activities';
import { createRunsActivities } from '../../activities/runs/activities';
import { createRunsStore } from '../../activities/runs/runs-store';
import type { Fence } from '../../activities/fence/participant';
import { poolOfParticipant, type FencedDatabases } from '../../activities/fence/databases';
import type { SqlPool } from '../../activities/fence/sql-transaction';
import type { KeptSums } from '../../invariants/stored-sums';
import { application } from '../../contracts/engine/application';
import type { RunsActivities } from '../../contracts/engine/runs';
import type { Keyed } from '../../contracts/engine/verdict';
import { partsOfStepKey } from '../../contracts/engine/ids';
import { activityTypeOf } from '../../contracts/engine/definition';
import { currentDelivery } from './delivery-context';
import { isAlive } from './run-liveness';
import type { TransactionMetrics } from './metrics';
import type { JobActivities } from './services';

/** The activities of each participant, over the fence of its database: as `implement` makes them. */
export type Implementations = Readonly<Record<string, (fence: Fence) => object>>;

export interface ActivityDependencies {
  readonly databases: FencedDatabases;
  /** One for each participant of the application. */
  readonly implementations: Implementations;
  /** Activities of the application's own jobs. */
  readonly jobActivities: JobActivities;
  /** By participant. One that is not named has none. */
  readonly storedSums: Readonly<Record<string, KeptSums>>;
  readonly cluster: string;
  readonly epochs: EpochSource;
  readonly locks: LockStore;
  /** How long fence rows of ended transactions are kept. */
  readonly fenceKeepMs: number;
  readonly faults: FaultPoints;
  readonly metrics: TransactionMetrics;
  /** Wakes those who wait for the rows of these runs; best effort. */
  readonly wake: (gids: readonly string[]) => void;
}

/** All activities under the names that they are registered with: `<participant>.<activity>`; locks bear their own. */
export function createActivities(dependencies: ActivityDependencies) {
  const { databases, implementations, jobActivities, cluster, epochs, locks } = dependencies;
  const { storedSums, fenceKeepMs, faults, metrics, wake } = dependencies;
  const shared = { epochs, faults, delivery: currentDelivery, metrics: metrics.fence };
  const fenceOf = (pool: SqlPool, epochRow: EpochRow = regionEpoch) =>
    createFence({ ...shared, pool, epochRow });
  const hub = { pool: databases.accord, epochRow: clusterEpoch(cluster) };

  const runs = createRunsActivities({
    fence: fenceOf(hub.pool, hub.epochRow),
    runs: createRunsStore({ ...shared, ...hub }),
    resolvedByHand: (gid, resolution) => metrics.resolvedByHand(gid, resolution),
  });
  const registered = {
    ...participantActivities(implementations, (participant) =>
      fenceOf(poolOfParticipant(databases, participant)),
    ),
    ...named('accord', waking(runs, wake)),
    ...named('reconciliation', createReconciliationActivities({ databases, storedSums, isAlive })),
    ...named('retention', createRetentionActivities({ databases, keepMs: fenceKeepMs })),
    ...createLockActivities({
      locks,
      epoch: () => epochs.carried(),
      observer: metrics.locks,
      faults,
    }),
  };
  return withJobActivities(registered, jobActivities);
}

/** @throws a plain error for a name that is registered already. */
export function withJobActivities(registered: object, own: JobActivities): object {
  const taken = Object.keys(own).find((name) => Object.hasOwn(registered, name));
  if (taken !== undefined) throw new Error(`An activity ${taken} is registered already.`);
  return { ...registered, ...own };
}

/** @throws a plain error where a participant of the application has no implementation, or an implementation no participant. */
function participantActivities(
  implementations: Implementations,
  fenceOf: (participant: string) => Fence,
): object {
  const { reserving } = application();
  const strange = Object.keys(implementations).find((name) => !reserving.includes(name));
  if (strange !== undefined) throw new Error(`${strange} is no participant of this application.`);
  return Object.assign(
    {},
    ...reserving.map((participant) => {
      const implementation = implementations[participant];
      if (!implementation) throw new Error(`The participant ${participant} has no implementation.`);
      return named(participant, implementation(fenceOf(participant)));
    }),
  ) as object;
}

export const named = (participant: string, activities: object) =>
  Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      activityTypeOf(participant, name),
      activity,
    ]),
  );

/** Wakes the callers that wait for a row when it has moved. */
function waking(runs: RunsActivities, wake: ActivityDependencies['wake']): RunsActivities {
  const wakeAll = (requests: readonly Keyed[]) =>
    wake(requests.map(({ key }) => partsOfStepKey(key)?.gid ?? ''));
  return {
    ...runs,
    async moveRun(requests) {
      const verdicts = await runs.moveRun(requests);
      wakeAll(requests);
      return verdicts;
    },
    async endRun(requests) {
      const verdicts = await runs.endRun(requests);
      wakeAll(requests);
      return verdicts;
    },
  };
}
