import { z } from 'zod';

import { businessIdOf } from '../../../contracts/engine/ids';
import { order } from '../../../contracts/flows/order';
import { orderStatuses } from '../../../contracts/participants/orders';
import type { ShopSettings } from '../config';
import type { Cursors } from '../../http/cursor';
import { Problem } from '../../http/errors';
import { purchaseFaults, purchaseFields, purchaseOf } from '../purchase';
import { principalOf, type Api } from '../../http/route-rules';
import { cursor, idParams, limit, money, reference, withoutTenant } from '../../http/schemas';
import type { Screening } from '../screening';
import type { OrderView, OrderViewsStore } from '../stores/order-views-store';
import { flowStart } from '../../routes/flow-start';

const orderBody = z.strictObject(purchaseFields).meta({
  id: 'NewOrder',
  examples: [
    {
      orderId: 'O-1001',
      customerId: 'C-7',
      lines: [{ sku: 'S-1', quantity: 2, unitPrice: { currency: 'EUR', minorUnits: 625 } }],
      payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 1250 } },
      deadlineMs: 60_000,
    },
  ],
});

const orderSchema = z
  .object({
    orderId: z.string(),
    customerId: z.string().nullable(),
    status: z.enum(orderStatuses),
    amount: z.object({ currency: z.string(), minorUnits: z.string() }).nullable(),
    lines: z
      .array(z.object({ sku: z.string(), quantity: z.number(), unitPrice: money }))
      .nullable(),
    version: z.number(),
    asOf: z.iso.datetime(),
  })
  .meta({ id: 'Order' });

export const orderStart = (
  { merchantAccounts }: Pick<ShopSettings, 'merchantAccounts'>,
  screening: Screening,
) =>
  flowStart(order, {
    path: '/v1/orders',
    summary: 'Starts an order: reserve, hold, create, capture, confirm, complete',
    body: orderBody,
    reference: ({ orderId }) => orderId,
    faults: purchaseFaults,
    input(body, context) {
      const { coupon, ...purchase } = purchaseOf(body, context, merchantAccounts);
      return { orderId: context.own(context.reference), ...purchase, ...(coupon && { coupon }) };
    },
    // Its accounts are judged by the participant alone (docs/decisions/0014).
    screen: ({ coupon, customerId }) => coupon && (() => screening.coupon({ coupon, customerId })),
  });

interface OrderRoutes {
  readonly orderViews: OrderViewsStore;
  readonly cursors: Cursors;
}

export function orderRoutes(api: Api, { orderViews, cursors }: OrderRoutes): void {
  api.get('/v1/orders/:id', {
    config: { rules: { kind: 'read', scope: 'tx:read' } },
    schema: {
      summary: 'One order, as the events told it so far',
      params: idParams,
      response: { 200: orderSchema },
    },
    handler: async (request) => {
      const view = await orderViews.find(
        businessIdOf(principalOf(request).tenant, request.params.id),
      );
      if (!view) throw new Problem('not_found');
      return orderOfView(view);
    },
  });

  api.get('/v1/orders', {
    config: { rules: { kind: 'list', scope: 'tx:read' } },
    schema: {
      summary: 'Orders of a customer, by id',
      querystring: z.strictObject({ customer: reference, limit, cursor: cursor.optional() }),
      response: {
        200: z.object({ items: z.array(orderSchema), nextCursor: z.string().nullable() }),
      },
    },
    handler: async (request) => {
      const customerId = businessIdOf(principalOf(request).tenant, request.query.customer);
      const boundTo = { list: 'orders', customerId };
      const after = request.query.cursor && cursors.decode(request.query.cursor, boundTo).id;
      const views = await orderViews.ofCustomer(customerId, request.query.limit + 1, after);
      const { page, nextCursor } = cursors.pageOf(
        views,
        request.query.limit,
        boundTo,
        ({ orderId }) => orderId,
      );
      return { items: page.map(orderOfView), nextCursor };
    },
  });
}

const orderOfView = (view: OrderView): z.infer<typeof orderSchema> => ({
  orderId: withoutTenant(view.orderId),
  customerId: view.customerId === null ? null : withoutTenant(view.customerId),
  status: view.status,
  amount:
    view.currency === null || view.amountMinor === null
      ? null
      : { currency: view.currency, minorUnits: view.amountMinor },
  lines:
    view.lines?.map(({ sku, quantity, unitPrice }) => ({
      sku: withoutTenant(sku),
      quantity,
      unitPrice: { ...unitPrice },
    })) ?? null,
  version: view.version,
  asOf: view.asOf.toISOString(),
});
