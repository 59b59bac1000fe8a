/** Currencies that Accord moves, each with the digits after its decimal point (ISO 4217). */
export const currencyDigits = { EUR: 2, USD: 2, GBP: 2, JPY: 0, KWD: 3, CLF: 4 } as const;
export type Currency = keyof typeof currencyDigits;
export const currencies = Object.keys(currencyDigits) as readonly Currency[];

/** The largest amount of one request, in minor units: fits a double without loss, with room for sums. */
export const minorUnitsMax = 999_999_999_999_999;

/** An amount of money: whole minor units, 1 … `minorUnitsMax`. Never a float. */
export interface Money {
  readonly currency: Currency;
  readonly minorUnits: number;
}

/** What a transaction may still lose if nobody acts: money or pieces of stock, and what holds it. */
export type AmountAtRisk =
  | { readonly kind: 'hold' | 'captured'; readonly currency: Currency; readonly minorUnits: number }
  | { readonly kind: 'stock'; readonly sku: string; readonly quantity: number };
