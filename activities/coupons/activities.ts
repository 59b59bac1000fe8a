import type { CouponsActivities } from '../../contracts/coupons';
import type { Fence } from '../participant';
import { releaseCoupon, reserveCoupon, useCoupon } from './coupon-store';

/** The activities of `coupons`, over the fence of its database. */
export function createCouponsActivities({ fence }: { readonly fence: Fence }): CouponsActivities {
  return {
    reserveCoupon: (requests) => fence.act(reserveCoupon, requests),
    releaseCoupon: (requests) => fence.undo(releaseCoupon, requests),
    useCoupon: (requests) => fence.confirm(useCoupon, requests),
  };
}
