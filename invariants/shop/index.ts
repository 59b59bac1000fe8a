/** The checks of the shop's participants. */
import type { Checks } from '../checks';
import { accountsOracles } from './accounts';
import { couponsOracles } from './coupons';
import { shopCrossChecks } from './cross';
import { inventoryOracles } from './inventory';
import { ordersOracles } from './orders';

export const shopChecks: Checks = {
  oracles: [...accountsOracles, ...inventoryOracles, ...couponsOracles, ...ordersOracles],
  across: shopCrossChecks,
  growing: { accounts: ['ledger_entries', 'merchant_movements'] },
};
