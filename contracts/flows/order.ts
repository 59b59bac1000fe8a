import { coupons, type CouponUse } from '../participants/coupons';
import { inventory, stockAtRisk } from '../participants/inventory';
import { heldAmount, isFree, type Money } from '../engine/money';
import { orders, type OrderLine } from '../participants/orders';
import { accounts } from '../participants';
import { defineFlow } from '../engine/flow-definition';
import { compensable, confirms, pivot, tcc } from '../engine/steps';
import type { BusinessId } from '../engine/ids';
import type { TransactionInput } from '../engine/transaction';

/** Flow `order`, workflow `orderSaga`. */
export interface OrderSagaInput extends TransactionInput {
  readonly orderId: BusinessId;
  readonly customerId: BusinessId;
  /** Account that pays. */
  readonly accountId: BusinessId;
  /** The tenant's merchant account of the amount's currency: configuration, resolved by the API. */
  readonly merchantAccountId: BusinessId;
  readonly lines: readonly OrderLine[];
  /**
   * Amount to pay: the sum of the lines, less the discount of the coupon. 0: the coupon covers all, and no money moves.
   */
  readonly amount: Money;
  /** The coupon: a TCC participant beside the steps of the saga. Left out: none. */
  readonly coupon?: CouponUse;
}

const isPaid = ({ amount }: OrderSagaInput): boolean => !isFree(amount);

/** An order. An order that its coupon makes free moves no money, so it is decided in `accord`. */
export const order = defineFlow<OrderSagaInput>()({
  name: 'order',
  workflow: 'orderSaga',
  locks: ['customer'],
  lane: 'any', // createOrder decides a customer's orders on the locked row: the lock only spares conflicts.
  steps: {
    reserveStock: compensable(inventory.reserveStock, {
      undo: inventory.releaseStock,
      atRisk: ({ lines }: OrderSagaInput) => stockAtRisk(lines),
    }),
    coupon: tcc({
      try: coupons.reserveCoupon,
      confirm: coupons.useCoupon,
      cancel: coupons.releaseCoupon,
      when: ({ coupon }: OrderSagaInput) => coupon !== undefined,
    }),
    holdFunds: compensable(accounts.holdFunds, {
      undo: accounts.releaseFunds,
      when: isPaid,
      atRisk: ({ amount }) => heldAmount(amount),
    }),
    createOrder: compensable(orders.createOrder, {
      undo: orders.cancelOrder,
    }),
    captureFunds: pivot(accounts.captureFunds, {
      seal: accounts.sealBranch,
      when: isPaid,
    }),
    confirmStock: confirms('reserveStock', inventory.confirmStock),
    completeOrder: confirms('createOrder', orders.completeOrder),
  },
});
