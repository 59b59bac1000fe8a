import { ulid } from 'ulid';
import { z } from 'zod';

import type { CheckoutInput } from '../../../contracts/flows/checkout';
import { businessIdOf } from '../../../contracts/engine/ids';
import { isFree } from '../../../contracts/engine/money';
import type { Config } from '../../config';
import type { ShopSettings } from '../config';
import { refuse, sameAccountFaults } from '../../http/refusals';
import { purchaseFields, purchaseOf } from '../purchase';
import type { Api } from '../../http/route-rules';
import type { Screening } from '../screening';
import type { Starts } from '../../transactions/starts';
import { noParams, startRoute } from '../../routes/start-route';

const checkoutBody = z.strictObject(purchaseFields).meta({
  id: 'NewCheckout',
  examples: [
    {
      orderId: 'K-1',
      customerId: 'C-7',
      lines: [{ sku: 'S-2', quantity: 3, unitPrice: { currency: 'EUR', minorUnits: 400 } }],
      couponCode: 'C-10',
      payment: { accountId: 'A-1', amount: { currency: 'EUR', minorUnits: 1100 } },
    },
  ],
});
const payerPointer = '/payment/accountId';

interface CheckoutRoutes {
  readonly config: Pick<Config & ShopSettings, 'merchantAccounts' | 'secret'>;
  readonly starts: Starts;
  readonly screening: Screening;
}

export function checkoutRoutes(api: Api, { config, starts, screening }: CheckoutRoutes): void {
  startRoute(
    api,
    { starts, secret: config.secret },
    {
      url: '/v1/checkouts',
      summary: 'Starts a checkout: stock, funds, coupon and order are tried, then all confirmed',
      params: noParams,
      body: checkoutBody,
      prepare(body, { tenant }) {
        const orderId = body.orderId ?? ulid();
        const purchase = purchaseOf(body, tenant, config.merchantAccounts);
        refuse(sameAccountFaults(payerPointer, purchase.accountId, purchase.merchantAccountId));
        const input: CheckoutInput = {
          ...starts.inputOf('checkout', tenant, orderId, body.deadlineMs),
          orderId: businessIdOf(tenant, orderId),
          ...purchase,
        };
        return { input, reference: orderId, screen: () => screen(input) };
      },
    },
  );

  const screen = async ({ accountId, customerId, amount, coupon }: CheckoutInput) => {
    const faults = await Promise.all([
      isFree(amount)
        ? []
        : screening.accounts([{ pointer: payerPointer, id: accountId }], amount.currency),
      coupon ? screening.coupon({ coupon, customerId }) : [],
    ]);
    return faults.flat();
  };
}
