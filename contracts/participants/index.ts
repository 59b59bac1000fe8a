/** The register of participants. */
import { moneyOperations } from './accounts';
import { coupons } from './coupons';
import {
  defineParticipant,
  operationsOf,
  type ActivitiesOf,
  type AnyOperation,
} from '../engine/definition';
import type { Refusal } from '../engine/failures';
import { inventory } from './inventory';
import { orders } from './orders';
import { paymentOperations } from './payments';
import { regions } from './regions';
import { accord } from '../engine/runs';
import { settlementOperations } from './settlements';

/** All that is done in the database `accounts`. */
export const accounts = defineParticipant('accounts', {
  ...moneyOperations,
  ...paymentOperations,
  ...settlementOperations,
});
export type AccountsActivities = ActivitiesOf<typeof accounts>;

/** Those with a database of their own, and a fence in it. */
export const fencedParticipants = { inventory, accounts, coupons, orders, accord } as const;
export type Participant = keyof typeof fencedParticipants;

/**
 * Every participant. What operators' transactions call has no database of a business, and no fence in it.
 */
export const participants = { ...fencedParticipants, regions } as const;
export type AnyParticipant = keyof typeof participants;

/** Every operation of every participant, by activity type. */
export const operations: ReadonlyMap<string, AnyOperation> = new Map(
  Object.values(participants)
    .flatMap(operationsOf)
    .map((operation) => [operation.type, operation]),
);

/** Every refusal that an operation declares, each once. */
export const declaredRefusals: readonly Refusal[] = [
  ...new Set([...operations.values()].flatMap(({ refusals }) => refusals)),
];
