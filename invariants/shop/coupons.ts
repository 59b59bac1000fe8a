/** What holds of coupons at any moment. */
import { couponsAgainstReservations, couponSumsAgainstReservations } from './identities';
import {
  againstFence,
  countFence,
  countOf,
  newAgainstFence,
  newEffects,
  onlyInFence,
  type Oracle,
} from '../oracle';
import { couponSums } from '../settled-sums';

const couponStates = { open: 'frozen', done: 'used', back: 'released' };

export const couponsOracles: readonly Oracle[] = [
  {
    id: 'D2',
    name: 'coupons are what their reservations say',
    databases: ['coupons'],
    whole: { sql: couponsAgainstReservations, counted: countOf('coupons') },
    lately: (window) => ({
      keys: `SELECT DISTINCT b.coupon_id AS id FROM ${newEffects(window)} f
               STRAIGHT_JOIN coupon_reservations b ON b.gid = f.gid AND b.branch = f.branch`,
      sums: couponSums,
      counted: countFence(window),
    }),
  },
  {
    id: 'D3',
    name: 'a settled sum of a coupon is the sum of its reservations',
    databases: ['coupons'],
    whole: { sql: couponSumsAgainstReservations, counted: countOf('coupon_sums') },
    lately: null,
  },
  {
    id: 'J',
    name: 'reserved coupons are what the fence says',
    databases: ['coupons'],
    whole: {
      sql: `${againstFence('coupon_reservations', couponStates)} UNION ALL ${onlyInFence('fence', 'coupon_reservations')}`,
      counted: countOf('fence'),
    },
    lately: (window) => ({
      sql: `${newAgainstFence(window, 'coupon_reservations', couponStates)}
            UNION ALL ${onlyInFence(newEffects(window), 'coupon_reservations')}`,
      counted: countFence(window),
    }),
  },
];
