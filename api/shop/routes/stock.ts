import { z } from 'zod';

import { businessIdOf } from '../../../contracts/engine/ids';
import { Problem } from '../../http/errors';
import { principalOf, type Api } from '../../http/route-rules';
import { time, withoutTenant } from '../../http/schemas';
import type { StockViewsStore } from '../stores/stock-views-store';

const stockSchema = z
  .object({
    sku: z.string(),
    total: z.number(),
    available: z.number(),
    frozen: z.number(),
    sold: z.number(),
    asOf: time,
  })
  .meta({ id: 'Stock' });

export function stockRoutes(
  api: Api,
  { stockViews }: { readonly stockViews: StockViewsStore },
): void {
  api.get('/v1/stock/:sku', {
    config: { rules: { kind: 'read', scope: 'tx:read' } },
    schema: {
      summary: 'Pieces of one SKU',
      params: z.strictObject({ sku: z.string() }),
      response: { 200: stockSchema },
    },
    handler: async (request) => {
      const view = await stockViews.find(
        businessIdOf(principalOf(request).tenant, request.params.sku),
      );
      if (!view) throw new Problem('not_found');
      return { ...view, sku: withoutTenant(view.sku), asOf: view.asOf.toISOString() };
    },
  });
}
