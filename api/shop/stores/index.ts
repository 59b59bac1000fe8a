import type { OpenDatabase } from '../../parts';
import type { ShopSettings } from '../config';
import { createAccountViewsStore } from './account-views-store';
import { createCouponViewsStore } from './coupon-views-store';
import { createOrderViewsStore } from './order-views-store';
import { createPaymentViewsStore } from './payment-views-store';
import { createSettlementViewsStore } from './settlement-views-store';
import { createStockViewsStore } from './stock-views-store';

/** What the API reads of the shop's participants; each store reads one database. */
export function openShopStores(
  {
    accountsUrl,
    ordersUrl,
    inventoryUrl,
    couponsUrl,
  }: Pick<ShopSettings, 'accountsUrl' | 'ordersUrl' | 'inventoryUrl' | 'couponsUrl'>,
  open: OpenDatabase,
) {
  const accounts = open('accounts', accountsUrl);
  return {
    orderViews: createOrderViewsStore(open('orders', ordersUrl)),
    accountViews: createAccountViewsStore(accounts),
    paymentViews: createPaymentViewsStore(accounts),
    settlementViews: createSettlementViewsStore(accounts),
    stockViews: createStockViewsStore(open('inventory', inventoryUrl)),
    couponViews: createCouponViewsStore(open('coupons', couponsUrl)),
  };
}
export type ShopStores = ReturnType<typeof openShopStores>;
