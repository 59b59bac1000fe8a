/** The register of participants. */
import { moneyEvents, moneyOperations } from './accounts';
import { coupons } from './coupons';
import { defineParticipant, type ActivitiesOf } from '../engine/definition';
import { inventory } from './inventory';
import { orders } from './orders';
import { paymentEvents, paymentOperations } from './payments';
import { settlementEvents, settlementOperations } from './settlements';

/** All operations in the database `accounts`. */
export const accounts = defineParticipant(
  'accounts',
  { ...moneyOperations, ...paymentOperations, ...settlementOperations },
  { ...moneyEvents, ...paymentEvents, ...settlementEvents },
);
export type AccountsActivities = ActivitiesOf<typeof accounts>;

/** Each has a database of its own, with a fence. */
export const shopParticipants = [inventory, accounts, coupons, orders] as const;
