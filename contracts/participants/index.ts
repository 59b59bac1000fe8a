/** The register of participants. */
import { moneyOperations } from './accounts';
import { coupons } from './coupons';
import { defineParticipant, type ActivitiesOf } from '../engine/definition';
import { inventory } from './inventory';
import { orders } from './orders';
import { paymentOperations } from './payments';
import { settlementOperations } from './settlements';

/** All operations in the database `accounts`. */
export const accounts = defineParticipant('accounts', {
  ...moneyOperations,
  ...paymentOperations,
  ...settlementOperations,
});
export type AccountsActivities = ActivitiesOf<typeof accounts>;

/** Each has a database of its own, with a fence. */
export const shopParticipants = [inventory, accounts, coupons, orders] as const;
