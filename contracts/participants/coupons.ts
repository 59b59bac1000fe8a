import { act, confirm, defineParticipant, undo } from '../engine/definition';
import type { BusinessId } from '../engine/ids';
import type { Money } from '../engine/money';
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

/** Participant `coupons`. Every activity is safe to repeat: a key that took effect answers with its first result. */
export const coupons = defineParticipant('coupons', {
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
});
