import type { Api } from '../../http/route-rules';
import type { ApiServices } from '../../parts';
import type { ShopSettings } from '../config';
import { createScreening } from '../screening';
import type { ShopStores } from '../stores';
import { accountRoutes } from './accounts';
import { checkoutStart } from './checkouts';
import { orderRoutes, orderStart } from './orders';
import { paymentRoutes, paymentStart } from './payments';
import { settlementRoutes } from './settlements';
import { stockRoutes } from './stock';
import { transferStart } from './transfers';

/** Starts of orders, checkouts, transfers, payments, refunds and settlements, and what became of them. */
export function shopRoutes(
  api: Api,
  {
    config,
    stores,
    starts,
    lines,
    steering,
    cursors,
    logger,
  }: ApiServices<ShopSettings, ShopStores>,
): void {
  const { accountViews, couponViews, orderViews, paymentViews, settlementViews, stockViews } =
    stores;
  const screening = createScreening({ accountViews, couponViews, paymentViews }, (error) =>
    logger.warn({ err: error }, 'A start was not screened.'),
  );
  const flowStarts = [
    orderStart(config, screening),
    checkoutStart(config, screening),
    transferStart(config, screening),
    paymentStart(config, screening),
  ];
  for (const start of flowStarts) start.addTo(api, { starts, lines, secret: config.secret });
  orderRoutes(api, { orderViews, cursors });
  paymentRoutes(api, { config, starts, screening, steering, paymentViews });
  settlementRoutes(api, { config, starts, settlementViews, cursors });
  accountRoutes(api, { accountViews, cursors });
  stockRoutes(api, { stockViews });
}
