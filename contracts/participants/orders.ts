import { event, type EnvelopeOf } from '../engine/events';
import { act, confirm, defineParticipant, undo, type ActivitiesOf } from '../engine/definition';
import type { BusinessId } from '../engine/ids';
import type { Money } from '../engine/money';
import { businessId, fields, listOf, money, optional, whole } from '../engine/schema';
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

const orderId = businessId('Order, `<tenant>.<order>`.', 'O-1001');
/** Consumers see the stream of an order in the order of its versions. */
const stream = { key: '`orderId`: `order.created` has sequence 1, the ending 2' };

/** Participant `orders`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const orders = defineParticipant(
  'orders',
  {
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
  },
  {
    'order.created': event({
      ...stream,
      by: ['createOrder'],
      when: 'The order is written, and waits for its ending.',
      data: {
        orderId,
        customerId: businessId('Customer, `<tenant>.<customer>`.', 'C-1001'),
        amount: money('Amount to pay. 0: a coupon covers the whole price.', 0),
        lines: listOf(
          fields({
            sku: businessId('Stock keeping unit, `<tenant>.<sku>`.', 'S-1001'),
            quantity: whole('Pieces.', { minimum: 1, example: 2 }),
            unitPrice: money('Price of one piece.'),
          }),
          'Lines of the order.',
        ),
        discount: optional(money('Discount of a coupon. Left out: none.')),
      },
    }),
    'order.completed': event({
      ...stream,
      by: ['completeOrder'],
      when: 'The order is final.',
      data: { orderId },
    }),
    'order.cancelled': event({
      ...stream,
      by: ['cancelOrder'],
      when: 'The order is taken back. It stays, as cancelled.',
      data: { orderId },
    }),
  },
);
export type OrdersActivities = ActivitiesOf<typeof orders>;

/** An event of an order, as its consumers get it. */
export type OrderEvent = EnvelopeOf<typeof orders>;
