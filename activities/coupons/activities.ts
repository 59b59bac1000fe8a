import { coupons } from '../../contracts/participants/coupons';
import { implement } from '../fence/implement';
import { releaseCoupon, reserveCoupon, useCoupon } from './coupon-store';

/** Participant `coupons`, over the fence of its database. */
export const createCoupons = implement(coupons, { reserveCoupon, releaseCoupon, useCoupon });
