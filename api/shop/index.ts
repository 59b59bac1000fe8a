/** What the shop adds to the API: its variables, what it reads of its participants, and its routes. */
import { shop } from '../../contracts/shop';
import { shopChecks } from '../../invariants/shop';
import type { ApiParts } from '../parts';
import { shopVariables, type ShopSettings } from './config';
import { shopRoutes } from './routes';
import { openShopStores, type ShopStores } from './stores';

export const shopApi = {
  application: shop,
  variables: shopVariables,
  stores: openShopStores,
  checks: shopChecks,
  routes: shopRoutes,
} as const satisfies ApiParts<ShopSettings, ShopStores>;
