import { coupons } from '../coupons';
import { inventory, stockAtRisk } from '../inventory';
import { heldAmount, isFree } from '../money';
import type { OrderSagaInput } from '../order-saga';
import { orders } from '../orders';
import { accounts } from '../participants';
import { compensable, confirms, defineFlow, pivot, tcc } from '../steps';

const isPaid = ({ amount }: OrderSagaInput): boolean => !isFree(amount);

/** An order. One that its coupon makes free has no money to take: it is decided in `accord`. */
export const order = defineFlow<OrderSagaInput>()({
  name: 'order',
  workflow: 'orderSaga',
  locks: ['customer'],
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
