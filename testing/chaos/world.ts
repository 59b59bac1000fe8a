/** What the load acts on: who buys what from whom, and how much of it there is. */
import { businessIdOf } from '../../contracts/engine/ids';
import { seed, seedCustomers } from '../../scripts/seed';
import type { IsolatedEnvironment } from '../environment/isolated-environment';

export const tenant = 'acme';

/** Payers with enough money for any run, and so many that few of them meet. */
export const accounts: readonly [string, ...string[]] = ['A-1', ...numbered('payer', 60)];
/** Few, so that orders of one customer wait for each other's lock. */
export const customers: readonly [string, ...string[]] = ['C-0', ...numbered('C', 12)];
/** Cannot pay for anything. */
export const poorAccount = 'A-POOR';
/** Account for planted parked transactions only. The planting locks and unlocks it. */
export const plantedAccount = 'A-PLANTED';
export const richAccount = 'A-RICH';
export const merchant = 'merchant-EUR';

/** Plenty of most; S-SCARCE runs out in the middle of a run, and then refuses. */
export const stock = { 'S-PLENTY': 10_000_000, 'S-SCARCE': 40 } as const;
/** C-MANY takes one euro off, C-FEW runs out. */
export const coupons = { 'C-MANY': 1_000_000, 'C-FEW': 15 } as const;
export const couponDiscount = 100;

export async function seedWorld(isolated: IsolatedEnvironment): Promise<void> {
  await seed(isolated.urls, tenant);
  await seedCustomers(isolated.urls, tenant, accounts, 100_000_000);
  await seedCustomers(isolated.urls, tenant, [plantedAccount], 1);
  await isolated.sql('inventory', 'INSERT INTO stock (sku, tenant, total, available) VALUES ?', [
    Object.entries(stock).map(([sku, pieces]) => [
      businessIdOf(tenant, sku),
      tenant,
      pieces,
      pieces,
    ]),
  ]);
  await isolated.sql(
    'coupons',
    `INSERT INTO coupons (id, tenant, customer_id, total, available, discount_currency, discount_minor, expires_at) VALUES ?`,
    [
      Object.entries(coupons).map(([code, pieces]) => [
        businessIdOf(tenant, code),
        tenant,
        null,
        pieces,
        pieces,
        'EUR',
        couponDiscount,
        '2099-12-31 23:59:59',
      ]),
    ],
  );
}

function numbered(name: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${name}-${at + 1}`);
}
