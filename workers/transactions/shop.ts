/** What a transaction worker of the shop has beside the engine's own. */
import { Counter } from 'prom-client';

import { createAccounts } from '../../activities/accounts/activities';
import { createAllowanceStore } from '../../activities/accounts/allowance-store';
import { createVelocityMeter } from '../../activities/accounts/risk-velocity';
import { createCoupons } from '../../activities/coupons/activities';
import { createInventory } from '../../activities/inventory/activities';
import { createOrders } from '../../activities/orders/activities';
import { createSettleDay } from '../../activities/accounts/scheduled-settlements';
import type { SettleDayInput } from '../../contracts/participants/settlements';
import { named, type Implementations } from './activities';
import type { JobSchedule } from './schedules';
import type { JobActivities, JobServices, WorkerServices } from './services';

export function shopImplementations({ redis, metrics }: WorkerServices): Implementations {
  const uncounted = new Counter({
    name: 'accord_velocity_fallback_total',
    help: 'Risk assessments whose velocity was counted in MySQL, because Redis did not answer.',
    registers: [metrics],
  });
  const velocity = createVelocityMeter({
    allowances: createAllowanceStore({ redis }),
    unavailable: () => uncounted.inc(),
  });
  return {
    inventory: createInventory,
    accounts: createAccounts(velocity),
    coupons: createCoupons,
    orders: createOrders,
  };
}

/** Activities of the job `settleDay`. */
export const shopJobActivities = ({
  poolOf,
  accept,
}: Pick<JobServices, 'poolOf' | 'accept'>): JobActivities =>
  named('reconciliation', createSettleDay({ accounts: poolOf('accounts'), accept }));

const yesterday: SettleDayInput = { day: null };

export const shopSchedules: readonly JobSchedule[] = [
  {
    id: 'accord-settlement',
    workflow: 'settleDay',
    args: [yesterday],
    spec: { calendars: [{ hour: 0, minute: 10 }] }, // UTC, with room for what yesterday's last payments still book.
    runTimeoutMs: 20 * 3_600_000, // It is tried for most of the day, and over before the next.
  },
];
