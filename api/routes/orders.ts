import { ulid } from 'ulid';
import { z } from 'zod';

import { flowDefinitions } from '../../contracts/flows';
import {
  businessIdOf,
  gidOf,
  partsOfBusinessId,
  stepKeyOf,
  type Tenant,
} from '../../contracts/ids';
import { linesMax } from '../../contracts/inventory';
import { currencies, type Currency, type Money } from '../../contracts/money';
import type { OrderSagaInput } from '../../contracts/order-saga';
import { orderStatuses } from '../../contracts/orders';
import { deadlineMs, isEnding, undoBudgetShare } from '../../contracts/transaction';
import type { Config } from '../config';
import type { Cursors } from '../cursor';
import { Problem, type FieldError } from '../errors';
import { fingerprintOf } from '../idempotency';
import { waitSecondsOf } from '../preference';
import { callerGone, keyOf, principalOf, waitingHandlerMs, type Api } from '../route-rules';
import { endingSchema, linkOf, runViewOf, runViewSchema } from '../run-view';
import { cursor, flag, idParams, limit, money, reference } from '../schemas';
import type { Started, Starts } from '../starts';
import type { OrderView, OrderViewsStore } from '../stores/order-views-store';

const quantityMax = 1_000_000;

const orderBody = z
  .strictObject({
    /** Left out: an id is made. */
    orderId: reference.optional(),
    customerId: reference,
    lines: z
      .array(
        z.strictObject({
          sku: reference,
          quantity: z.int().min(1).max(quantityMax),
          unitPrice: money,
        }),
      )
      .min(1)
      .max(linesMax),
    payment: z.strictObject({ accountId: reference, amount: money }),
    deadlineMs: z.int().min(1).default(deadlineMs.default),
  })
  .meta({ id: 'NewOrder' });
type OrderBody = z.infer<typeof orderBody>;

const planSchema = z
  .object({
    gid: z.string(),
    flow: z.string(),
    locks: z.array(z.string()),
    steps: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        key: z.string(),
        undo: z.string().nullable(),
      }),
    ),
    undoOrder: z.array(z.string()),
    pivot: z.string().nullable(),
    /** Until the decision; what follows the pivot or undoes is never given up. */
    worstCaseMs: z.number(),
  })
  .meta({ id: 'Plan' });

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

interface OrderRoutes {
  readonly config: Pick<Config, 'merchantAccounts' | 'secret'>;
  readonly starts: Starts;
  readonly orderViews: OrderViewsStore;
  readonly cursors: Cursors;
}

export function orderRoutes(api: Api, { config, starts, orderViews, cursors }: OrderRoutes): void {
  api.post('/v1/orders', {
    config: { rules: { kind: 'start', scope: 'tx:start' } },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary: 'Starts an order: reserve, hold, create, capture, confirm, complete',
      body: orderBody,
      querystring: z.strictObject({ dryRun: flag.default(false) }),
      response: { 200: z.union([endingSchema, planSchema]), 202: runViewSchema },
    },
    handler: async (request, reply) => {
      const { tenant } = principalOf(request);
      const { input, orderId } = orderOf(request.body, tenant, config.merchantAccounts);
      if (request.query.dryRun) return planOf(input);
      const seconds = waitSecondsOf(request.headers['prefer']);
      const started = await starts.start(
        {
          input,
          reference: orderId,
          operation: 'POST /v1/orders',
          idempotencyKey: keyOf(request),
          fingerprint: fingerprintOf({}, request.bodyAsSent, config.secret),
        },
        { seconds, signal: callerGone(reply) },
      );
      const { status, headers, body } = answerOf(started, seconds);
      return reply.code(status).headers(headers).send(body);
    },
  });

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
      const page = views.slice(0, request.query.limit);
      const last = views.length > page.length ? page.at(-1) : undefined;
      return {
        items: page.map(orderOfView),
        nextCursor: last ? cursors.encode({ at: 0, id: last.orderId }, boundTo) : null,
      };
    },
  });
}

/** 200 with the ending, byte for byte; 202 with the row while it is open, parked included. */
export function answerOf({ run, isReplay }: Started, seconds: number | undefined) {
  const headers = {
    ...(isReplay && { 'idempotent-replayed': 'true' }),
    ...(seconds !== undefined && { 'preference-applied': `wait=${seconds}` }),
  };
  if (isEnding(run.state) && run.ending) {
    return {
      status: 200,
      headers: { ...headers, 'content-type': 'application/json; charset=utf-8' },
      body: run.ending as never, // Bytes go out as they are; the schema describes them.
    } as const;
  }
  return {
    status: 202,
    headers: { ...headers, location: linkOf(run.gid), 'retry-after': '1' },
    body: runViewOf(run),
  } as const;
}

/** @throws Problem `unprocessable`, naming every field that cannot mean anything. */
function orderOf(body: OrderBody, tenant: Tenant, merchantAccounts: Config['merchantAccounts']) {
  const currency = currencies.find((name) => name === body.payment.amount.currency);
  const errors = faultsOf(body);
  if (errors.length > 0 || !currency) throw new Problem('unprocessable', { errors });
  const orderId = body.orderId ?? ulid();
  const own = (id: string): string => businessIdOf(tenant, id);
  const merchant = merchantAccounts[tenant]?.[currency] ?? `merchant-${currency}`;
  const input: OrderSagaInput = {
    gid: gidOf('order', own(orderId)),
    tenant,
    flow: 'order',
    deadlineAt: Date.now() + body.deadlineMs,
    undoBudgetMs: Math.floor(body.deadlineMs * undoBudgetShare),
    orderId: own(orderId),
    customerId: own(body.customerId),
    accountId: own(body.payment.accountId),
    merchantAccountId: own(merchant),
    lines: body.lines.map(({ sku, quantity, unitPrice }) => ({
      sku: own(sku),
      quantity,
      unitPrice: moneyOf(currency, unitPrice.minorUnits),
    })),
    amount: moneyOf(currency, body.payment.amount.minorUnits),
  };
  return { input, orderId };
}

const moneyOf = (currency: Currency, minorUnits: number): Money => ({ currency, minorUnits });

function faultsOf({ lines, payment, deadlineMs: ms }: OrderBody): readonly FieldError[] {
  const { currency, minorUnits } = payment.amount;
  const errors: FieldError[] = [];
  const skus = new Set<string>();
  for (const [at, { sku, unitPrice }] of lines.entries()) {
    if (skus.has(sku)) errors.push(fault(`/lines/${at}/sku`, 'duplicate_line', 'comes twice'));
    skus.add(sku);
    if (unitPrice.currency !== currency) {
      errors.push(fault(`/lines/${at}/unitPrice/currency`, 'currency_mixed', `is not ${currency}`));
    }
  }
  if (!currencies.some((name) => name === currency)) {
    errors.push(
      fault('/payment/amount/currency', 'currency_unknown', 'is not a currency that Accord moves'),
    );
  }
  // BigInt: 200 lines of the largest price and quantity are beyond 2^53.
  const sum = lines.reduce(
    (total, line) => total + BigInt(line.quantity) * BigInt(line.unitPrice.minorUnits),
    0n,
  );
  if (sum !== BigInt(minorUnits)) {
    errors.push(fault('/payment/amount/minorUnits', 'sum_differs', `the lines make ${sum}`));
  }
  if (ms < deadlineMs.min || ms > deadlineMs.max) {
    const bounds = `from ${deadlineMs.min} to ${deadlineMs.max}`;
    errors.push(
      fault(
        '/deadlineMs',
        ms < deadlineMs.min ? 'deadline_too_short' : 'deadline_too_long',
        bounds,
      ),
    );
  }
  return errors;
}

const fault = (pointer: string, code: string, message: string): FieldError => ({
  pointer,
  code,
  message,
});

function planOf(input: OrderSagaInput): z.infer<typeof planSchema> {
  const { locks, steps } = flowDefinitions[input.flow];
  return {
    gid: input.gid,
    flow: input.flow,
    locks: [...locks],
    steps: steps.map(({ name, kind, undo, confirms }) => ({
      name,
      kind,
      key: stepKeyOf(input.gid, confirms ?? name),
      undo,
    })),
    undoOrder: steps.flatMap(({ undo }) => undo ?? []).reverse(),
    pivot: steps.find(({ kind }) => kind === 'pivot')?.name ?? null,
    worstCaseMs: Math.floor(input.undoBudgetMs / undoBudgetShare) - input.undoBudgetMs,
  };
}

/** Answers leave the tenant out. */
const withoutTenant = (id: string): string => partsOfBusinessId(id)?.id ?? id;

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
