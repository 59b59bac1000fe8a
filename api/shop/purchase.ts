import { z } from 'zod';

import type { CheckoutInput } from '../../contracts/flows/checkout';
import type { Tenant } from '../../contracts/engine/ids';
import { linesMax } from '../../contracts/participants/inventory';
import { minorUnitsMax, moneyText, type Money } from '../../contracts/engine/money';
import type { ShopSettings } from './config';
import type { FieldError } from '../http/errors';
import { currencyAt, currencyFaults, fault } from '../http/refusals';
import { money, price, reference } from '../http/schemas';
import type { OwnInput, StartContext } from '../routes/flow-start';

const quantityMax = 1_000_000;
const currencyPointer = '/payment/amount/currency';

/** Body of an order and of a checkout. */
export const purchaseFields = {
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
  payment: z.strictObject({ accountId: reference, amount: price }),
  /**
   * With a coupon the amount is the sum of the lines, less the discount. It is 0 where the discount is as large as the
   * sum, or larger.
   */
  couponCode: reference.optional(),
};
type Purchase = z.output<z.ZodObject<typeof purchaseFields>>;

/** Every field that cannot mean anything. */
export function purchaseFaults(body: Purchase): readonly FieldError[] {
  const { amount } = body.payment;
  return [
    ...lineFaults(body.lines, amount.currency),
    ...sumFaults(sumOf(body.lines), amount, body.couponCode),
    ...currencyFaults(currencyPointer, amount.currency),
  ];
}

/** Who is paid, without the tenant: the account of the tenant for this currency. */
export const merchantAccountOf = (
  currency: string,
  tenant: Tenant,
  accounts: ShopSettings['merchantAccounts'],
): string =>
  Object.entries(accounts[tenant] ?? {}).find(([of]) => of === currency)?.[1] ??
  `merchant-${currency}`;

/**
 * What is bought and paid, with the tenant in every id. The discount is what the amount leaves of the sum: whether it is
 * the coupon's, the screening looks and the participant decides.
 *
 * @param body without faults.
 */
export function purchaseOf(
  body: Purchase,
  { tenant, own }: Pick<StartContext, 'tenant' | 'own'>,
  merchantAccounts: ShopSettings['merchantAccounts'],
): Omit<OwnInput<CheckoutInput>, 'orderId'> {
  const { accountId, amount } = body.payment;
  const currency = currencyAt(currencyPointer, amount.currency);
  const moneyOf = (minorUnits: number): Money => ({ currency, minorUnits });
  return {
    customerId: own(body.customerId),
    accountId: own(accountId),
    merchantAccountId: own(merchantAccountOf(currency, tenant, merchantAccounts)),
    lines: body.lines.map(({ sku, quantity, unitPrice }) => ({
      sku: own(sku),
      quantity,
      unitPrice: moneyOf(unitPrice.minorUnits),
    })),
    amount: moneyOf(amount.minorUnits),
    coupon:
      body.couponCode === undefined
        ? null
        : {
            couponId: own(body.couponCode),
            discount: moneyOf(Number(sumOf(body.lines)) - amount.minorUnits), // Bounded by `sumFaults`.
            ...(amount.minorUnits === 0 && { isWholePrice: true as const }),
          },
  };
}

// BigInt: 200 lines of the largest price and quantity are beyond 2^53.
const sumOf = (lines: Purchase['lines']): bigint =>
  lines.reduce(
    (total, line) => total + BigInt(line.quantity) * BigInt(line.unitPrice.minorUnits),
    0n,
  );

function lineFaults(lines: Purchase['lines'], currency: string): readonly FieldError[] {
  const errors: FieldError[] = [];
  const skus = new Set<string>();
  for (const [at, { sku, unitPrice }] of lines.entries()) {
    if (skus.has(sku))
      errors.push(
        fault(`/lines/${at}/sku`, 'duplicate_line', `names ${sku}, which an earlier line has`),
      );
    skus.add(sku);
    if (unitPrice.currency !== currency) {
      errors.push(
        fault(
          `/lines/${at}/unitPrice/currency`,
          'currency_mixed',
          `is ${unitPrice.currency}, and the payment is in ${currency}`,
        ),
      );
    }
  }
  return errors;
}

/** Every coupon takes something off the price; where it is all of it, nothing is paid. */
function sumFaults(
  sum: bigint,
  { currency, minorUnits }: Purchase['payment']['amount'],
  couponCode: string | undefined,
): readonly FieldError[] {
  const discount = sum - BigInt(minorUnits);
  const fits =
    couponCode === undefined ? discount === 0n : discount > 0n && sum <= BigInt(minorUnitsMax);
  if (fits) return [];
  const made = moneyText({ currency, minorUnits: sum });
  const less = couponCode === undefined ? '' : ", less the coupon's discount";
  return [fault('/payment/amount/minorUnits', 'sum_differs', `the lines make ${made}${less}`)];
}
