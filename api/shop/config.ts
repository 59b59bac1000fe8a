import { z } from 'zod';

import { referencePattern, tenantPattern } from '../../contracts/engine/ids';
import { currencies } from '../../contracts/engine/money';
import { ConfigurationError, databaseUrl, wholeNumber } from '../../runtime/environment';
import { json, ownVariables } from '../config';
import { whyReserved } from '../http/realms';
import { riskPolicySchema } from './risk-policy';

/** An account of each tenant for each currency, without the tenant. */
const ownAccounts = json('{"acme":{"EUR":"merchant-EUR"}}').pipe(
  z.record(
    z.string().regex(tenantPattern),
    z.partialRecord(z.enum(currencies), z.string().regex(referencePattern)),
  ),
);
type OwnAccounts = z.output<typeof ownAccounts>;

/** What the API of the shop reads of its environment beside what every API reads. */
export const shopVariables = ownVariables(
  {
    API_ORDERS_DATABASE_URL: databaseUrl,
    API_ACCOUNTS_DATABASE_URL: databaseUrl,
    API_INVENTORY_DATABASE_URL: databaseUrl,
    API_COUPONS_DATABASE_URL: databaseUrl,
    MERCHANT_ACCOUNTS: ownAccounts.default({}),
    CLEARING_ACCOUNTS: ownAccounts.default({}),
    RISK_POLICY: json('{"reviewScore":50}').pipe(riskPolicySchema).prefault('{}'),
    /** How long a payment may wait for a person. */
    REVIEW_MS: wholeNumber(1_000, 2_592_000_000).default(259_200_000),
  },
  (given, cluster) => {
    const { MERCHANT_ACCOUNTS, CLEARING_ACCOUNTS } = given;
    demandTenants({ MERCHANT_ACCOUNTS, CLEARING_ACCOUNTS }, cluster);
    return {
      ordersUrl: given.API_ORDERS_DATABASE_URL,
      accountsUrl: given.API_ACCOUNTS_DATABASE_URL,
      inventoryUrl: given.API_INVENTORY_DATABASE_URL,
      couponsUrl: given.API_COUPONS_DATABASE_URL,
      merchantAccounts: MERCHANT_ACCOUNTS,
      clearingAccounts: CLEARING_ACCOUNTS,
      riskPolicy: given.RISK_POLICY,
      reviewMs: given.REVIEW_MS,
    };
  },
);

export type ShopSettings = ReturnType<typeof shopVariables.settings>;

/** @throws ConfigurationError: a tenant has the name of the cluster. */
function demandTenants(accounts: Readonly<Record<string, OwnAccounts>>, cluster: string): void {
  const wrong = Object.entries(accounts)
    .filter(([, ofTenants]) => cluster in ofTenants)
    .map(([name]) => `${name}: ${whyReserved(cluster)}`);
  if (wrong.length > 0)
    throw new ConfigurationError(['The configuration is wrong:', ...wrong].join('\n  '));
}
