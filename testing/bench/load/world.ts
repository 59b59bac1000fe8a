/** Accounts and stock of a load, in a tenant of its own. */
import type { DatabaseUrls } from '../../../runtime/databases/shop';
import { seed, seedCustomers, seedGoods } from '../../../scripts/seed';

export interface Customers {
  readonly payer: string;
  readonly payee: string;
  readonly sku: string;
}

/** So many that two transactions of one moment seldom meet, so few that they are open within seconds. */
const payers = 400;
const poorPayers = 40;
const skus = 100;
const hotAccount = 'hot';

const payerMinorUnits = 100_000_000_000;
const poorMinorUnits = 1;
const pieces = 1_000_000_000;

/** Who pays whom in the transaction of this number. Purchases pay the tenant's merchant account, whoever the payee is. */
export function customersOf(at: number, isPoor: boolean, isHot: boolean): Customers {
  const opposite = (at + payers / 2) % payers;
  return {
    payer: isPoor ? `poor-${at % poorPayers}` : `payer-${at % payers}`,
    payee: isHot ? hotAccount : `payer-${opposite}`,
    sku: isHot ? 'L-0' : `L-${at % skus}`,
  };
}

const names = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

/** Everybody who pays and has money. */
export const payerNames = names('payer', payers);

/** Safe to repeat. */
export async function openWorld(urls: DatabaseUrls, tenant: string): Promise<void> {
  await seed(urls, tenant);
  await seedGoods(urls, tenant, names('L', skus), pieces);
  await seedCustomers(urls, tenant, payerNames, payerMinorUnits);
  await seedCustomers(urls, tenant, [...names('poor', poorPayers), hotAccount], poorMinorUnits);
}
