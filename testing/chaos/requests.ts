/** What clients ask for, drawn from the seed: starts of every flow, and a word in between. */
import type { ShopFlow } from '../../contracts/flows';
import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import type { Random } from './random';
import {
  accounts,
  couponDiscount,
  customers,
  merchant,
  poorAccount,
  richAccount,
  tenant,
} from './world';

export interface StartRequest {
  readonly flow: ShopFlow;
  readonly reference: string;
  readonly gid: string;
  readonly path: string;
  readonly body: object;
  /** What it takes of a stock that may run out. */
  readonly uses: { readonly sku: string; readonly quantity: number } | undefined;
}

const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits });

/** Above it a payment waits for a person: the limit of review, less than that of declining. */
const reviewAmount = 1_500_000;

/** Share of each kind in the load; the rest is orders. */
const shares = { checkout: 0.2, transfer: 0.12, payment: 0.28 } as const;

/** @param reference used for this start only. */
export function drawStart(random: Random, reference: string): StartRequest {
  const drawn = random.next();
  if (drawn < shares.checkout) return purchase(random, 'checkout', reference);
  if (drawn < shares.checkout + shares.transfer) return transfer(random, reference);
  if (drawn < shares.checkout + shares.transfer + shares.payment) return payment(random, reference);
  return purchase(random, 'order', reference);
}

export function startOf(flow: ShopFlow, random: Random, reference: string): StartRequest {
  switch (flow) {
    case 'transfer':
      return transfer(random, reference);
    case 'payment':
      return payment(random, reference);
    case 'checkout':
    case 'order':
      return purchase(random, flow, reference);
    case 'refund':
    case 'settlement':
      throw new Error(`${flow} has no random request: see refundOf, settlementOf.`);
  }
}

function purchase(random: Random, flow: 'order' | 'checkout', reference: string): StartRequest {
  const sku = random.chance(0.15) ? 'S-SCARCE' : 'S-PLENTY';
  const quantity = random.between(1, 3);
  const unitPrice = random.between(100, 900);
  const hasCoupon = random.chance(flow === 'checkout' ? 0.6 : 0.2);
  const couponCode = random.chance(0.1) ? 'C-FEW' : 'C-MANY';
  const accountId = random.chance(0.12) ? poorAccount : random.pick(accounts);
  const minorUnits = quantity * unitPrice - (hasCoupon ? couponDiscount : 0);
  const isHurried = flow === 'order' && random.chance(0.06);
  return {
    ...named(flow, reference),
    path: `/v1/${flow}s`,
    uses: { sku, quantity },
    body: {
      orderId: reference,
      customerId: random.pick(customers),
      lines: [{ sku, quantity, unitPrice: eur(unitPrice) }],
      ...(hasCoupon && { couponCode }),
      payment: { accountId, amount: eur(Math.max(minorUnits, 1)) },
      ...(isHurried && { deadlineMs: random.between(1_000, 3_000) }),
    },
  };
}

function transfer(random: Random, reference: string): StartRequest {
  const [from = '', to = ''] = random.shuffled(accounts);
  return {
    ...named('transfer', reference),
    path: '/v1/transfers',
    uses: undefined,
    body: {
      transferId: reference,
      from: random.chance(0.1) ? poorAccount : from,
      to,
      amount: eur(random.between(101, 5_000)),
    },
  };
}

function payment(random: Random, reference: string): StartRequest {
  if (random.chance(0.4)) return paymentOf(reference, richAccount, reviewAmount);
  if (random.chance(0.06)) return paymentOf(reference, poorAccount, random.between(101, 5_000));
  return plainPayment(random, reference);
}

/** A payment without a review that can be paid. */
export const plainPayment = (random: Random, reference: string): StartRequest =>
  paymentOf(reference, random.pick(accounts), random.between(101, 5_000));

const paymentOf = (reference: string, fromAccount: string, minorUnits: number): StartRequest => ({
  ...named('payment', reference),
  path: '/v1/payments',
  uses: undefined,
  body: { paymentId: reference, fromAccount, toAccount: merchant, amount: eur(minorUnits) },
});

/** A partial refund, so that one payment may have several. */
export const refundOf = (
  paymentId: string,
  reference: string,
  minorUnits: number,
): StartRequest => ({
  ...named('refund', reference),
  path: `/v1/payments/${paymentId}/refunds`,
  uses: undefined,
  body: { refundId: reference, amount: eur(minorUnits), kind: 'refund', reason: 'Came back.' },
});

/** @param daysAgo at least 1: only a day that is over is settled. */
export function settlementOf(daysAgo: number): StartRequest {
  const day = new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10);
  return {
    ...named('settlement', `EUR-${day}`),
    path: '/v1/settlements',
    uses: undefined,
    body: { currency: 'EUR', day },
  };
}

const named = (flow: ShopFlow, reference: string) => ({
  flow,
  reference,
  gid: gidOf(flow, businessIdOf(tenant, reference)),
});
