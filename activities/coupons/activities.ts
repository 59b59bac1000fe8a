import { coupons } from '../../contracts/coupons';
import { implement } from '../implement';
import { releaseCoupon, reserveCoupon, useCoupon } from './coupon-store';

/** Participant `coupons`, over the fence of its database. */
export const createCoupons = implement(coupons, { reserveCoupon, releaseCoupon, useCoupon });
