import type { CouponUse } from '../contracts/coupons';
import type { BusinessId } from '../contracts/ids';
import type { TccParticipant } from './kernel/story';
import type { Participants } from './participants';

/** A piece of a coupon for one customer's order: set aside, then used or free again. */
export const couponUse = (
  { coupons }: Participants,
  use: CouponUse,
  customerId: BusinessId,
): TccParticipant<null> => ({
  try: (key) => coupons.reserveCoupon({ key, customerId, ...use }),
  confirm: (key) => coupons.useCoupon({ key }),
  cancel: (key) => coupons.releaseCoupon({ key }),
});
