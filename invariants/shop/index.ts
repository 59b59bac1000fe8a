/** The checks of the shop's participants, and their stored sums. */
import type { Checks } from '../checks';
import type { KeptSums } from '../stored-sums';
import { keptAccountSums } from './account-sums';
import { accountsOracles } from './accounts';
import { couponsOracles } from './coupons';
import { shopCrossChecks } from './cross';
import { inventoryOracles } from './inventory';
import { ordersOracles } from './orders';
import { coupons, keptPieceSums, stock } from './pieces';

export const shopChecks: Checks = {
  oracles: [...accountsOracles, ...inventoryOracles, ...couponsOracles, ...ordersOracles],
  across: shopCrossChecks,
  growing: { accounts: ['ledger_entries', 'merchant_movements'] },
};

/** By participant. */
export const shopSums: Readonly<Record<string, KeptSums>> = {
  accounts: keptAccountSums,
  inventory: keptPieceSums(stock),
  coupons: keptPieceSums(coupons),
};
