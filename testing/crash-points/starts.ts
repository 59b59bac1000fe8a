/** A transaction of each way for each crash point, on rows that it shares with few others. */
import { businessIdOf, gidOf } from '../../contracts/engine/ids';
import { seed, seedCustomers, seedTakings } from '../../scripts/seed';
import type { IsolatedEnvironment } from '../environment/isolated-environment';
import { flowOf, type Way } from './cases';

export const tenant = 'acme';
const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits });

/** So many that two transactions seldom wait for each other's rows. */
const shares = 100;
const shareOf = (serial: number): number => serial % shares;
const discount = 100;

export interface PlannedStart {
  readonly reference: string;
  readonly gid: string;
  readonly path: string;
  readonly body: object;
  /** To be completed before: what is refunded. */
  readonly before: { readonly path: string; readonly body: object; readonly gid: string } | null;
}

/** @param serial of the start, in its run: no two have the same. */
export function startOf(way: Way, serial: number): PlannedStart {
  const flow = flowOf(way);
  const reference = flow === 'settlement' ? `EUR-${dayOf(serial)}` : `K${serial}`;
  return {
    reference,
    gid: gidOf(flow, businessIdOf(tenant, reference)),
    ...requestOf(way, reference, serial),
  };
}

function requestOf(way: Way, reference: string, serial: number) {
  const share = shareOf(serial);
  const payer = `A-K${share}`;
  switch (way) {
    case 'order':
    case 'order-coupon':
    case 'checkout': {
      const hasCoupon = way !== 'order';
      return {
        path: way === 'checkout' ? '/v1/checkouts' : '/v1/orders',
        before: null,
        body: {
          orderId: reference,
          customerId: `C-${reference}`,
          lines: [{ sku: `S-K${share}`, quantity: 1, unitPrice: eur(500) }],
          ...(hasCoupon && { couponCode: `C-K${share}` }),
          payment: { accountId: payer, amount: eur(hasCoupon ? 500 - discount : 500) },
        },
      };
    }
    case 'transfer':
      return {
        path: '/v1/transfers',
        before: null,
        body: { transferId: reference, from: payer, to: `B-K${share}`, amount: eur(300) },
      };
    case 'payment':
      return { path: '/v1/payments', before: null, body: paymentOf(reference, payer) };
    case 'refund': {
      const paymentId = `P-${reference}`;
      return {
        path: `/v1/payments/${paymentId}/refunds`,
        before: {
          path: '/v1/payments',
          body: paymentOf(paymentId, payer),
          gid: gidOf('payment', businessIdOf(tenant, paymentId)),
        },
        body: { refundId: reference, amount: eur(200), kind: 'refund', reason: 'Came back.' },
      };
    }
    case 'settlement':
      return {
        path: '/v1/settlements',
        before: null,
        body: { currency: 'EUR', day: dayOf(serial) },
      };
  }
}

const paymentOf = (paymentId: string, fromAccount: string) => ({
  paymentId,
  fromAccount,
  toAccount: 'merchant-EUR',
  amount: eur(400),
});

/** A day that is over, of its own. */
const dayOf = (serial: number): string =>
  new Date(Date.now() - (serial + 1) * 86_400_000).toISOString().slice(0, 10);

export async function seedStarts(isolated: IsolatedEnvironment): Promise<void> {
  const each = Array.from({ length: shares }, (_, at) => at);
  await seed(isolated.urls, tenant);
  const accounts = each.flatMap((at) => [`A-K${at}`, `B-K${at}`]);
  await seedCustomers(isolated.urls, tenant, accounts, 100_000_000);
  const pieces = 1_000_000;
  await isolated.sql('inventory', 'INSERT INTO stock (sku, tenant, total, available) VALUES ?', [
    each.map((at) => [businessIdOf(tenant, `S-K${at}`), tenant, pieces, pieces]),
  ]);
  await isolated.sql(
    'coupons',
    `INSERT INTO coupons (id, tenant, customer_id, total, available, discount_currency, discount_minor, expires_at) VALUES ?`,
    [
      each.map((at) => [
        businessIdOf(tenant, `C-K${at}`),
        tenant,
        null,
        pieces,
        pieces,
        'EUR',
        discount,
        '2099-12-31 23:59:59',
      ]),
    ],
  );
}

/** A day's takings, for a settlement that has something to claim. */
export const seedDay = (isolated: IsolatedEnvironment, serial: number): Promise<void> =>
  seedTakings(isolated.urls, tenant, dayOf(serial));
