import { createAccounts } from '../../activities/accounts/activities';
import type { AllowanceStore } from '../../activities/accounts/allowance-store';
import { createVelocityMeter } from '../../activities/accounts/risk-velocity';
import { createCoupons } from '../../activities/coupons/activities';
import { clusterEpoch, regionEpoch } from '../../activities/fence/epoch';
import type { EpochRow, EpochSource } from '../../activities/fence/epoch';
import type { FaultPoints } from '../../runtime/faults/points';
import { createFence } from '../../activities/fence/fence';
import { createInventory } from '../../activities/inventory/activities';
import { createLockActivities } from '../../activities/locks/activities';
import type { LockStore } from '../../activities/locks/lock-store';
import { createOrders } from '../../activities/orders/activities';
import { createReconciliationActivities } from '../../activities/reconciliation/activities';
import { createRetentionActivities } from '../../activities/retention/activities';
import { createRunsActivities } from '../../activities/runs/activities';
import { createRunsStore } from '../../activities/runs/runs-store';
import type { SqlPool } from '../../activities/fence/sql-transaction';
import type { RunsActivities } from '../../contracts/engine/runs';
import type { Keyed } from '../../contracts/engine/verdict';
import { partsOfStepKey } from '../../contracts/engine/ids';
import { activityTypeOf } from '../../contracts/engine/definition';
import type { Participant } from '../../contracts/participants';
import { currentDelivery } from './delivery-context';
import { isRunning } from './run-liveness';
import type { TransactionMetrics } from './metrics';

export interface ActivityDependencies {
  readonly databases: Readonly<Record<Participant, SqlPool>>;
  readonly cluster: string;
  readonly epochs: EpochSource;
  readonly locks: LockStore;
  readonly allowances: AllowanceStore;
  /** How long fence rows of ended transactions are kept. */
  readonly fenceKeepMs: number;
  readonly faults: FaultPoints;
  readonly metrics: TransactionMetrics;
  /** Wakes those who wait for a run's row; best effort. */
  readonly wake: (gid: string) => void;
}

/** All activities under the names that they are registered with: `<participant>.<activity>`; locks bear their own. */
export function createActivities(dependencies: ActivityDependencies) {
  const { databases, cluster, epochs, locks, allowances, fenceKeepMs, faults, metrics, wake } =
    dependencies;
  const shared = { epochs, faults, delivery: currentDelivery, metrics: metrics.fence };
  const fenceOf = (pool: SqlPool, epochRow: EpochRow = regionEpoch) =>
    createFence({ ...shared, pool, epochRow });
  const hub = { pool: databases.accord, epochRow: clusterEpoch(cluster) };

  const runs = createRunsActivities({
    fence: fenceOf(hub.pool, hub.epochRow),
    runs: createRunsStore({ ...shared, ...hub }),
    resolvedByHand: (gid, resolution) => metrics.resolvedByHand(gid, resolution),
  });
  const velocity = createVelocityMeter({
    allowances,
    unavailable: () => metrics.velocityUncounted(),
  });
  return {
    ...named('inventory', createInventory(fenceOf(databases.inventory))),
    ...named('accounts', createAccounts(velocity)(fenceOf(databases.accounts))),
    ...named('coupons', createCoupons(fenceOf(databases.coupons))),
    ...named('orders', createOrders(fenceOf(databases.orders))),
    ...named('accord', waking(runs, wake)),
    ...named('reconciliation', createReconciliationActivities({ databases, cluster, isRunning })),
    ...named('retention', createRetentionActivities({ databases, keepMs: fenceKeepMs })),
    ...createLockActivities({
      locks,
      epoch: () => epochs.carried(),
      observer: metrics.locks,
      faults,
    }),
  };
}

export const named = (participant: string, activities: object) =>
  Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [
      activityTypeOf(participant, name),
      activity,
    ]),
  );

/** Whoever waits for a row is told when it has moved. */
function waking(runs: RunsActivities, wake: (gid: string) => void): RunsActivities {
  const wakeAll = (requests: readonly Keyed[]) => {
    for (const { key } of requests) wake(partsOfStepKey(key)?.gid ?? '');
  };
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
