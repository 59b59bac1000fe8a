import type { CheckoutInput } from '../checkout';
import { coupons } from '../coupons';
import { inventory, stockAtRisk } from '../inventory';
import { heldAmount, isFree } from '../money';
import { orders } from '../orders';
import { accounts } from '../participants';
import { defineFlow, tcc } from '../steps';

/** A checkout: all participants are tried at once, then all confirmed. One that is free asks nothing of accounts. */
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
