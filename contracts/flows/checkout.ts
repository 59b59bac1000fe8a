import { coupons, type CouponUse } from '../participants/coupons';
import { inventory, stockAtRisk } from '../participants/inventory';
import { heldAmount, isFree, type Money } from '../engine/money';
import { orders, type OrderLine } from '../participants/orders';
import { accounts } from '../participants';
import { defineFlow } from '../engine/flow-definition';
import { tcc } from '../engine/steps';
import type { BusinessId } from '../engine/ids';
import type { TransactionInput } from '../engine/transaction';

/** Flow `checkout`, workflow `checkout`. */
export interface CheckoutInput extends TransactionInput {
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
  readonly coupon: CouponUse | null;
}

/** A checkout: all participants are tried at once, then all are confirmed. A free checkout does not call `accounts`. */
export const checkout = defineFlow<CheckoutInput>()({
  name: 'checkout',
  workflow: 'checkout',
  steps: {
    stock: tcc({
      try: inventory.reserveStock,
      confirm: inventory.confirmStock,
      cancel: inventory.releaseStock,
      atRisk: ({ lines }: CheckoutInput) => stockAtRisk(lines),
    }),
    funds: tcc({
      try: accounts.reserveDebit,
      confirm: accounts.confirmDebit,
      cancel: accounts.releaseFunds,
      when: ({ amount }: CheckoutInput) => !isFree(amount),
      atRisk: ({ amount }) => heldAmount(amount),
    }),
    coupon: tcc({
      try: coupons.reserveCoupon,
      confirm: coupons.useCoupon,
      cancel: coupons.releaseCoupon,
      when: ({ coupon }: CheckoutInput) => coupon !== null,
    }),
    order: tcc({
      try: orders.createOrder,
      confirm: orders.completeOrder,
      cancel: orders.cancelOrder,
    }),
  },
});
