import { z } from 'zod';

import type { CheckoutInput } from '../../contracts/flows/checkout';
import { businessIdOf, type Tenant } from '../../contracts/engine/ids';
import { linesMax } from '../../contracts/participants/inventory';
import { minorUnitsMax, moneyText, type Money } from '../../contracts/engine/money';
import type { ShopSettings } from './config';
import type { FieldError } from '../http/errors';
import { currencyAt, deadlineFaults, fault, refuse } from '../http/refusals';
import { lifeMs, money, price, reference } from '../http/schemas';

const quantityMax = 1_000_000;

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
  /** With it the amount is the sum of the lines, less the coupon's discount: 0, if that is all of it or more. */
  couponCode: reference.optional(),
  deadlineMs: lifeMs,
};
type Purchase = z.output<z.ZodObject<typeof purchaseFields>>;

/**
 * What is bought and paid, with the tenant in every id. The discount is what the amount leaves of the sum: whether it is
 * the coupon's, the screening looks and the participant decides.
 *
 * @throws Problem `unprocessable`, naming every field that cannot mean anything.
 */
export function purchaseOf(
  body: Purchase,
  tenant: Tenant,
  merchantAccounts: ShopSettings['merchantAccounts'],
): Omit<
  CheckoutInput,
  keyof CheckoutInput & ('gid' | 'tenant' | 'flow' | 'deadlineAt' | 'undoBudgetMs' | 'orderId')
> {
  const { accountId, amount } = body.payment;
  const sum = sumOf(body.lines);
  const faults = [
    ...lineFaults(body.lines, amount.currency),
    ...sumFaults(sum, amount, body.couponCode),
    ...deadlineFaults(body.deadlineMs),
  ];
  const currency = currencyAt('/payment/amount/currency', amount.currency, faults);
  refuse(faults);
  const own = (id: string): string => businessIdOf(tenant, id);
  const moneyOf = (minorUnits: number): Money => ({ currency, minorUnits });
  return {
    customerId: own(body.customerId),
    accountId: own(accountId),
    merchantAccountId: own(merchantAccounts[tenant]?.[currency] ?? `merchant-${currency}`),
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
            discount: moneyOf(Number(sum) - amount.minorUnits), // Bounded by `sumFaults`.
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
