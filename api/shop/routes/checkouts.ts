import { z } from 'zod';

import { checkout, type CheckoutInput } from '../../../contracts/flows/checkout';
import { isFree } from '../../../contracts/engine/money';
import { sameAccountFaults } from '../../http/refusals';
import { flowStart, type OwnInput } from '../../routes/flow-start';
import type { ShopSettings } from '../config';
import { merchantAccountOf, purchaseFaults, purchaseFields, purchaseOf } from '../purchase';
import type { Screening } from '../screening';

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

export const checkoutStart = (
  { merchantAccounts }: Pick<ShopSettings, 'merchantAccounts'>,
  screening: Screening,
) =>
  flowStart(checkout, {
    path: '/v1/checkouts',
    summary: 'Starts a checkout: stock, funds, coupon and order are tried, then all confirmed',
    body: checkoutBody,
    reference: ({ orderId }) => orderId,
    faults: (body, { tenant }) => {
      const { accountId, amount } = body.payment;
      const merchant = merchantAccountOf(amount.currency, tenant, merchantAccounts);
      return [...purchaseFaults(body), ...sameAccountFaults(payerPointer, accountId, merchant)];
    },
    input: (body, context) => ({
      orderId: context.own(context.reference),
      ...purchaseOf(body, context, merchantAccounts),
    }),
    screen: (input) => () => screened(input, screening),
  });

async function screened(
  { accountId, customerId, amount, coupon }: OwnInput<CheckoutInput>,
  screening: Screening,
) {
  const faults = await Promise.all([
    isFree(amount)
      ? []
      : screening.accounts([{ pointer: payerPointer, id: accountId }], amount.currency),
    coupon ? screening.coupon({ coupon, customerId }) : [],
  ]);
  return faults.flat();
}
