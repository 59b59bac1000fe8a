import { ulid } from 'ulid';
import { z } from 'zod';

import { businessIdOf, gidOf, partsOfGid } from '../../../contracts/engine/ids';
import type { Money } from '../../../contracts/engine/money';
import {
  descriptionMax,
  paymentAnswers,
  paymentStatuses,
  refundKinds,
  type RefundInput,
} from '../../../contracts/participants/payments';
import { payment } from '../../../contracts/flows/payment';
import { riskDecisions, riskRules } from '../../../contracts/participants/risk';
import type { EarlyStatus } from '../../../contracts/engine/transaction';
import type { Config } from '../../config';
import type { ShopSettings } from '../config';
import { Problem } from '../../http/errors';
import {
  currencyAt,
  currencyFaults,
  deadlineFaults,
  refuse,
  sameAccountFaults,
} from '../../http/refusals';
import { keyOf, principalOf, type Api } from '../../http/route-rules';
import { linkOf, linksOf, runViewOf, runViewSchema } from '../../transactions/run-view';
import {
  flowName,
  digits,
  idParams,
  lifeMs,
  money,
  reference,
  text,
  time,
  withoutTenant,
} from '../../http/schemas';
import type { Screening } from '../screening';
import type { Starts } from '../../transactions/starts';
import type { Steering } from '../../transactions/steering';
import {
  refundStatuses,
  type PaymentView,
  type PaymentViewsStore,
} from '../stores/payment-views-store';
import type { RunRow } from '../../stores/runs/rows';
import { flowStart } from '../../routes/flow-start';
import { startRoute } from '../../routes/start-route';

const currencyPointer = '/amount/currency';
const paymentBody = z
  .strictObject({
    /** Left out: an id is made. */
    paymentId: reference.optional(),
    fromAccount: reference,
    toAccount: reference,
    amount: money,
    description: text(descriptionMax).optional(),
  })
  .meta({
    id: 'NewPayment',
    examples: [
      {
        paymentId: 'P-1',
        fromAccount: 'A-1',
        toAccount: 'merchant-EUR',
        amount: { currency: 'EUR', minorUnits: 2500 },
        description: 'Thanks',
      },
    ],
  });

const refundBody = z
  .strictObject({
    /** Left out: an id is made. */
    refundId: reference.optional(),
    /** Left out: all that is left of the payment. */
    amount: money.optional(),
    kind: z.enum(refundKinds),
    reason: text(descriptionMax),
    deadlineMs: lifeMs,
  })
  .meta({
    id: 'NewRefund',
    examples: [
      {
        refundId: 'R-1',
        amount: { currency: 'EUR', minorUnits: 1000 },
        kind: 'refund',
        reason: 'One was broken.',
      },
    ],
  });

const reviewNoteMax = 500;
const reviewBody = z
  .strictObject({
    decision: z.enum(['approve', 'reject']),
    note: text(reviewNoteMax).nullable().default(null),
  })
  .meta({ id: 'ReviewDecision' });

const reasonSchema = z.object({
  rule: z.string().meta({ description: riskRules.map((rule) => `\`${rule}\``).join(', ') }),
  severity: z.string(),
  score: z.number(),
  detail: z.string(),
});

/** The answer once the payment is decided: its fields never change any more. */
const paymentAnswerSchema = z
  .object({
    gid: z.string(),
    flow: flowName,
    payment: z.object({ paymentId: z.string(), status: z.enum(paymentAnswers) }),
    links: z.object({ self: z.string(), explain: z.string(), payment: z.string() }),
  })
  .meta({ id: 'PaymentAnswer' });

const paymentSchema = z
  .object({
    paymentId: z.string(),
    status: z.enum(paymentStatuses),
    fromAccount: z.string(),
    toAccount: z.string(),
    currency: z.string(),
    amount: digits,
    captured: digits,
    refunded: digits,
    chargedBack: digits,
    description: z.string().nullable(),
    requestedBy: z.string(),
    createdAt: time,
    updatedAt: time,
    risk: z
      .object({
        decision: z.enum(riskDecisions),
        score: z.number(),
        reasons: z.array(reasonSchema),
        state: z.enum(['standing', 'cleared']),
        at: time,
      })
      .nullable(),
    review: z
      .object({
        decision: z.enum(['approve', 'reject']),
        by: z.string(),
        note: z.string().nullable(),
        state: z.enum(['standing', 'withdrawn']),
        at: time,
      })
      .nullable(),
    /** The newest hundred. */
    refunds: z.array(
      z.object({
        refundId: z.string(),
        kind: z.enum(refundKinds),
        status: z.enum(refundStatuses),
        amount: digits,
        reason: z.string(),
        requestedBy: z.string(),
        createdAt: time,
      }),
    ),
    links: z.object({ transaction: z.string() }),
    asOf: time,
  })
  .meta({ id: 'Payment' });

export const paymentStart = (
  { riskPolicy, reviewMs }: Pick<ShopSettings, 'riskPolicy' | 'reviewMs'>,
  screening: Screening,
) =>
  flowStart(payment, {
    path: '/v1/payments',
    summary: 'Starts a payment; answered as soon as it is authorised, declined or in review',
    body: paymentBody,
    reference: ({ paymentId }) => paymentId,
    faults: ({ fromAccount, toAccount, amount }) => [
      ...sameAccountFaults('/toAccount', fromAccount, toAccount),
      ...currencyFaults(currencyPointer, amount.currency),
    ],
    input: ({ fromAccount, toAccount, amount, description }, { subject, reference: id, own }) => ({
      paymentId: own(id),
      payerId: own(fromAccount),
      payeeId: own(toAccount),
      amount: {
        currency: currencyAt(currencyPointer, amount.currency),
        minorUnits: amount.minorUnits,
      },
      description: description ?? null,
      requestedBy: subject,
      risk: riskPolicy,
      reviewMs,
    }),
    screen: ({ payerId, payeeId, amount }) => {
      const named = [
        { pointer: '/fromAccount', id: payerId },
        { pointer: '/toAccount', id: payeeId },
      ];
      return () => screening.accounts(named, amount.currency);
    },
    early: { schema: paymentAnswerSchema, of: paymentAnswerOf },
  });

interface PaymentRoutes {
  readonly config: Pick<Config & ShopSettings, 'riskPolicy' | 'reviewMs' | 'secret'>;
  readonly starts: Starts;
  readonly screening: Screening;
  readonly steering: Steering;
  readonly paymentViews: PaymentViewsStore;
}

export function paymentRoutes(
  api: Api,
  { config, starts, screening, steering, paymentViews }: PaymentRoutes,
): void {
  const { secret } = config;

  startRoute(
    api,
    { starts, secret },
    {
      url: '/v1/payments/:id/refunds',
      summary: 'Starts a refund or chargeback of a payment, of all of it or of a part',
      params: idParams,
      body: refundBody,
      prepare(
        { refundId = ulid(), amount, kind, reason, deadlineMs },
        { tenant, subject },
        { id },
      ) {
        const faults = deadlineFaults(deadlineMs);
        const asked: Money | null = amount
          ? {
              currency: currencyAt(currencyPointer, amount.currency, faults),
              minorUnits: amount.minorUnits,
            }
          : null;
        refuse(faults);
        const input: RefundInput = {
          ...starts.inputOf('refund', tenant, refundId, deadlineMs),
          refundId: businessIdOf(tenant, refundId),
          paymentId: businessIdOf(tenant, id),
          amount: asked,
          kind,
          reason,
          requestedBy: subject,
          ...(kind === 'chargeback' && reviewOf(config)),
        };
        const screen = () => screening.refund(input.paymentId, kind, asked);
        return { input, reference: refundId, screen };
      },
    },
  );

  reviewRoute(api, { steering, flow: 'payment', url: '/v1/payments/:id/review' });
  reviewRoute(api, { steering, flow: 'refund', url: '/v1/refunds/:id/review' });

  api.get('/v1/payments/:id', {
    config: { rules: { kind: 'read', scope: 'tx:read' } },
    schema: {
      summary: 'One payment with its risk, its review and its refunds',
      params: idParams,
      response: { 200: paymentSchema },
    },
    handler: async (request) => {
      const { tenant } = principalOf(request);
      const view = await paymentViews.find(businessIdOf(tenant, request.params.id));
      if (!view) throw new Problem('not_found');
      return paymentOfView(view);
    },
  });
}

/** Where a person decides what waits for one. */
function reviewRoute(
  api: Api,
  {
    steering,
    flow,
    url,
  }: {
    readonly steering: Steering;
    readonly flow: 'payment' | 'refund';
    readonly url: string;
  },
): void {
  const what = flow === 'payment' ? 'payment' : 'chargeback';
  api.post(url, {
    config: { rules: { kind: 'steer', scope: 'payments:review', flow } },
    schema: {
      summary: `Decides a ${what} that waits for a person, as another one than who started it`,
      params: idParams,
      body: reviewBody,
      response: { 202: runViewSchema },
    },
    handler: async (request, reply) => {
      const { tenant, subject, people } = principalOf(request);
      const gid = gidOf(flow, businessIdOf(tenant, request.params.id));
      if (!partsOfGid(gid)) throw new Problem('not_found');
      const run = await steering.review(
        { tenant, gid, subject, people },
        request.body,
        keyOf(request),
      );
      return reply.code(202).send(runViewOf(run));
    },
  });
}

const reviewOf = ({
  riskPolicy,
  reviewMs,
}: Pick<ShopSettings, 'riskPolicy' | 'reviewMs'>): Pick<RefundInput, 'review'> =>
  riskPolicy.chargebackReview
    ? { review: { above: riskPolicy.chargebackReview, withinMs: reviewMs } }
    : {};

/** Depends only on the gid and the early status, so every repeated call gets the same bytes. */
function paymentAnswerOf(
  { gid, flow }: RunRow,
  status: EarlyStatus,
): z.infer<typeof paymentAnswerSchema> {
  const paymentId = withoutTenant(partsOfGid(gid)?.businessId ?? gid);
  return {
    gid,
    flow,
    payment: { paymentId, status },
    links: { ...linksOf(gid), payment: `/v1/payments/${paymentId}` },
  };
}

const paymentOfView = (view: PaymentView): z.infer<typeof paymentSchema> => ({
  ...view,
  paymentId: withoutTenant(view.paymentId),
  fromAccount: withoutTenant(view.payerId),
  toAccount: withoutTenant(view.payeeId),
  createdAt: view.createdAt.toISOString(),
  updatedAt: view.updatedAt.toISOString(),
  risk: view.risk && {
    ...view.risk,
    reasons: [...view.risk.reasons],
    at: view.risk.at.toISOString(),
  },
  review: view.review && { ...view.review, at: view.review.at.toISOString() },
  refunds: view.refunds.map((refund) => ({
    ...refund,
    refundId: withoutTenant(refund.refundId),
    createdAt: refund.createdAt.toISOString(),
  })),
  links: { transaction: linkOf(gidOf('payment', view.paymentId)) },
  asOf: view.asOf.toISOString(),
});
