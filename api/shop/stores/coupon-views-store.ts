import type { BusinessId } from '../../../contracts/engine/ids';
import type { Currency } from '../../../contracts/engine/money';
import type { Database } from '../../stores/database';

/** What a start asks of a coupon that it names. */
export interface CouponView {
  /** `null`: every customer may use it. */
  readonly customerId: BusinessId | null;
  readonly currency: Currency;
  /** Digits. */
  readonly discountMinor: string;
  readonly isExpired: boolean;
}

/** Coupons, read only. The tenant is part of every id. */
export const createCouponViewsStore = (database: Database) => ({
  async find(couponId: BusinessId): Promise<CouponView | undefined> {
    const [row] = await database.select<Omit<CouponView, 'isExpired'> & { isExpired: 0 | 1 }>(
      `SELECT customer_id AS customerId, discount_currency AS currency,
         CAST(discount_minor AS CHAR) AS discountMinor, expires_at <= UTC_TIMESTAMP(3) AS isExpired
       FROM coupons WHERE id = ?`,
      [couponId],
    );
    return row && { ...row, isExpired: row.isExpired === 1 };
  },
});
export type CouponViewsStore = ReturnType<typeof createCouponViewsStore>;
