import { createAccounts } from '../../activities/accounts/activities';
import type { AllowanceStore } from '../../activities/accounts/allowance-store';
import { createVelocityMeter } from '../../activities/accounts/risk-velocity';
import { createCoupons } from '../../activities/coupons/activities';
import { createInventory } from '../../activities/inventory/activities';
import { createOrders } from '../../activities/orders/activities';
import type { Implementations } from './activities';

/** @param velocityUncounted is told that Redis could not count a payment. */
export const shopImplementations = (
  allowances: AllowanceStore,
  velocityUncounted: () => void,
): Implementations => ({
  inventory: createInventory,
  accounts: createAccounts(createVelocityMeter({ allowances, unavailable: velocityUncounted })),
  coupons: createCoupons,
  orders: createOrders,
});
