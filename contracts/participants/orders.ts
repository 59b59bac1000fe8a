import type { Envelope } from '../engine/events';
import { act, confirm, defineParticipant, undo, type ActivitiesOf } from '../engine/definition';
import type { BusinessId } from '../engine/ids';
import type { Money } from '../engine/money';
import type { Keyed } from '../engine/verdict';

export interface OrderLine {
  /** `<tenant>.<sku>`. */
  readonly sku: BusinessId;
  readonly quantity: number;
  readonly unitPrice: Money;
}
export interface CreateOrder extends Keyed {
  /** `<tenant>.<order>`. */
  readonly orderId: BusinessId;
  /** `<tenant>.<customer>`. */
  readonly customerId: BusinessId;
  readonly lines: readonly OrderLine[];
  /** Amount to pay: the sum of the lines, less the discount. 0: the discount covers all. */
  readonly amount: Money;
  /** Discount of a coupon. Left out: none. */
  readonly discount?: Money;
  /**
   * Digits of the fencing token of the customer lock; `null`: no lock was taken (batch lane, Redis away). It is
   * compared with the customer's row. It is no part of the content: a repeated order may have a newer token.
   */
  readonly fencingToken: string | null;
}

export const orderStatuses = ['created', 'completed', 'cancelled'] as const;
export type OrderStatus = (typeof orderStatuses)[number];

/** Participant `orders`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const orders = defineParticipant('orders', {
  /**
   * Writes the order with its lines, first event of its stream. Undone by `cancelOrder`.
   *
   * @returns refuses with ParticipantRefused (the order exists already); fails with LockLost (the customer's row holds
   *   a newer fencing token: nothing is written, acquire and act
   *   again), Fenced, IdempotencyConflict.
   */
  createOrder: act<CreateOrder>({ refusals: ['ParticipantRefused'], reserves: true }),
  /** Undoes `createOrder`: the order stays, with the status cancelled. */
  cancelOrder: undo(),
  /** Completes the order; a confirm, on the branch of `createOrder`. InvariantBroken without it. */
  completeOrder: confirm(),
});
export type OrdersActivities = ActivitiesOf<typeof orders>;

export type OrderCreated = Envelope<
  'order.created',
  {
    readonly orderId: BusinessId;
    readonly customerId: BusinessId;
    readonly amount: Money;
    readonly lines: readonly OrderLine[];
    /** Left out: none. */
    readonly discount?: Money;
  }
>;
export type OrderCompleted = Envelope<'order.completed', { readonly orderId: BusinessId }>;
export type OrderCancelled = Envelope<'order.cancelled', { readonly orderId: BusinessId }>;
export type OrderEvent = OrderCreated | OrderCompleted | OrderCancelled;
