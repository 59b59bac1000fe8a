/** What holds of coupons at any moment. */
import { coupons, piecesOracles } from './pieces';

export const couponsOracles = piecesOracles(coupons, {
  id: 'D2',
  pieces: 'coupons are what their reservations say',
  sum: 'a stored sum of a coupon is the sum of its reservations',
  fence: 'reserved coupons are what the fence says',
});
