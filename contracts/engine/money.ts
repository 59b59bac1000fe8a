import { currencyDigits, type Currency } from './currency-digits';

export type { Currency };

/** Currencies that Accord moves: all of ISO 4217 that have a minor unit. */
export const currencies = Object.keys(currencyDigits) as readonly Currency[]; // The table has no other keys.

/** `false` for a code without a minor unit, or unknown: no amount can have this currency. */
export const isCurrency = (code: string): code is Currency => Object.hasOwn(currencyDigits, code);

const digitsOf = (code: string): number | undefined =>
  isCurrency(code) ? currencyDigits[code] : undefined;

/** The largest amount of one request, in minor units: fits a double without loss, with room for sums. */
export const minorUnitsMax = 999_999_999_999_999;

/** An amount of money: whole minor units, 1 … `minorUnitsMax`. Never a float. */
export interface Money {
  readonly currency: Currency;
  readonly minorUnits: number;
}

/** Zero: a coupon covers the whole price. Only the amount of an order or a checkout may be zero. */
export const isFree = ({ minorUnits }: Money): boolean => minorUnits === 0;

/** Money or pieces of stock that a transaction may still lose if it is left alone, and what holds them. */
export type AmountAtRisk =
  | { readonly kind: 'hold' | 'captured'; readonly currency: Currency; readonly minorUnits: number }
  | { readonly kind: 'stock'; readonly sku: string; readonly quantity: number };

/** An amount as it is stored: minor units as a number, or as digits where they may pass 2^53. */
interface StoredAmount {
  readonly currency: string;
  readonly minorUnits: number | bigint | string;
}

/** An amount in major units for people, such as `12.50`. An unknown currency keeps minor units. */
export function decimalOf({ currency, minorUnits }: StoredAmount): string {
  const digits = digitsOf(currency) ?? 0;
  const units = BigInt(minorUnits);
  const sign = units < 0n ? '-' : '';
  const padded = String(units < 0n ? -units : units).padStart(digits + 1, '0');
  const whole = padded.slice(0, padded.length - digits);
  return digits === 0 ? `${sign}${whole}` : `${sign}${whole}.${padded.slice(-digits)}`;
}

/** Money as people read it in every sentence: `12.50 EUR`, `1250 JPY`, `1.250 KWD`. */
export const moneyText = (amount: StoredAmount): string =>
  digitsOf(amount.currency) === undefined
    ? `${decimalOf(amount)} minor units of ${amount.currency}`
    : `${decimalOf(amount)} ${amount.currency}`;

/** An amount at risk, or of a finding, as people read it: money, or pieces of stock. */
export const amountText = (
  amount: StoredAmount | { readonly sku: string; readonly quantity: number },
): string => ('sku' in amount ? `${amount.quantity} of ${amount.sku}` : moneyText(amount));

/** Money that is set aside. */
export const heldAmount = (amount: Money): readonly AmountAtRisk[] => [{ kind: 'hold', ...amount }];

/** The first currency at risk and its sum in minor units: what lists filter by. */
export function moneyAtRisk(atRisk: readonly AmountAtRisk[]): {
  readonly currency: string | null;
  readonly minor: number | null;
} {
  const money = atRisk.flatMap((amount) => (amount.kind === 'stock' ? [] : [amount]));
  const currency = money[0]?.currency ?? null;
  if (currency === null) return { currency, minor: null };
  const minor = money
    .filter((amount) => amount.currency === currency)
    .reduce((sum, { minorUnits }) => sum + minorUnits, 0);
  return { currency, minor };
}
