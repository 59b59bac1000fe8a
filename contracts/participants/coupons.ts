import { act, confirm, defineParticipant, undo } from '../engine/definition';
import { event } from '../engine/events';
import type { BusinessId } from '../engine/ids';
import type { Money } from '../engine/money';
import { businessId, money } from '../engine/schema';
import type { Keyed } from '../engine/verdict';

/** A coupon of an order: its id, and its discount on the price. */
export interface CouponUse {
  /** `<tenant>.<coupon>`. */
  readonly couponId: BusinessId;
  readonly discount: Money;
  /** The discount is the whole price. The coupon may be worth more. */
  readonly isWholePrice?: true;
}

export interface ReserveCoupon extends Keyed, CouponUse {
  /** Customer who uses the coupon, `<tenant>.<customer>`. A coupon may belong to one customer. */
  readonly customerId: BusinessId;
}

const couponId = businessId('Coupon, `<tenant>.<coupon>`.', 'K-1001');

/** Participant `coupons`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const coupons = defineParticipant(
  'coupons',
  {
    /**
     * Try: sets one piece of the coupon aside.
     *
     * @returns refuses with CouponUnusable (unknown, expired, another customer's, used up, or of another discount than
     *   the
     *   request's, unless that is the whole price and the coupon is worth more; the detail says which), Fenced,
     * IdempotencyConflict.
     */
    reserveCoupon: act<ReserveCoupon>({ refusals: ['CouponUnusable'], reserves: true }),
    /** Cancel: the piece is free again. */
    releaseCoupon: undo(),
    /** Confirm: the piece is used. On the branch of `reserveCoupon`; InvariantBroken without it. */
    useCoupon: confirm(),
  },
  {
    'coupon.reserved': event({
      by: ['reserveCoupon'],
      when: 'One piece of the coupon is set aside.',
      data: {
        couponId,
        customerId: businessId('Customer who uses it, `<tenant>.<customer>`.', 'C-1001'),
        discount: money('Discount on the price.'),
      },
    }),
    'coupon.released': event({
      by: ['releaseCoupon'],
      when: 'The piece that was set aside is free again.',
      data: { couponId },
    }),
    'coupon.used': event({
      by: ['useCoupon'],
      when: 'The piece that was set aside is used.',
      data: { couponId },
    }),
  },
);
