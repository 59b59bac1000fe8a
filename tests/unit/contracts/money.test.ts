import { readFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { currencyDigits } from '../../../contracts/engine/currency-digits';
import {
  amountText,
  currencies,
  decimalOf,
  isCurrency,
  moneyText,
} from '../../../contracts/engine/money';

describe('money in sentences', () => {
  it.each([
    ['EUR', 1_250, '12.50 EUR'],
    ['EUR', 0, '0.00 EUR'],
    ['EUR', 5, '0.05 EUR'],
    ['JPY', 1_250, '1250 JPY'],
    ['KWD', 1_250, '1.250 KWD'],
    ['CLF', 1_250, '0.1250 CLF'],
    ['CHF', 1_250, '12.50 CHF'],
    ['KRW', 0, '0 KRW'],
    ['BHD', 1, '0.001 BHD'],
    ['UYW', 12_345_678, '1234.5678 UYW'],
    ['EUR', -1, '-0.01 EUR'],
    ['EUR', -1_250, '-12.50 EUR'],
    ['USD', '99999999999999999999', '999999999999999999.99 USD'],
    ['GBP', 9_007_199_254_740_993n, '90071992547409.93 GBP'],
  ])('has the digits of its currency: %s %s is %s', (currency, minorUnits, text) => {
    expect(moneyText({ currency, minorUnits })).toBe(text);
  });

  it('is told in minor units where the digits of the currency are unknown, and says so', () => {
    expect(moneyText({ currency: 'XTS', minorUnits: 1_250 })).toBe('1250 minor units of XTS');
  });

  it('names the currency once where two amounts are compared', () => {
    expect(decimalOf({ currency: 'EUR', minorUnits: 0n })).toBe('0.00');
  });

  it('stands beside pieces of stock', () => {
    const atRisk = [
      { kind: 'hold', currency: 'EUR', minorUnits: 1_250 },
      { kind: 'stock', sku: 'acme.S-1', quantity: 2 },
    ] as const;
    expect(atRisk.map(amountText)).toEqual(['12.50 EUR', '2 of acme.S-1']);
  });
});

/**
 * List one as ISO published it, from the package currency-codes: code and digits of its minor unit. `N.A.`: it has
 * none.
 */
const listOne = Object.fromEntries(
  [
    ...readFileSync(require.resolve('currency-codes/iso-4217-list-one.xml'), 'utf8').matchAll(
      /<Ccy>([A-Z]{3})<\/Ccy>\s*<CcyNbr>\d+<\/CcyNbr>\s*<CcyMnrUnts>(\d|N\.A\.)<\/CcyMnrUnts>/g,
    ),
  ].map(([, code = '', digits = '']) => [code, digits] as const),
);
/** Changes since the list of 2024-06-25: the guilder of Curaçao has another code, the convertible peso is withdrawn. */
const amended = { added: { XAD: 2, XCG: 2 }, withdrawn: ['ANG', 'CUC'] };

describe('the currencies that Accord moves', () => {
  it('are all of ISO 4217 that have a minor unit, with its digits', () => {
    expect(Object.keys(listOne)).toHaveLength(179);
    const withDigits = Object.entries(listOne)
      .filter(([code, digits]) => digits !== 'N.A.' && !amended.withdrawn.includes(code))
      .map(([code, digits]) => [code, Number(digits)] as const);
    expect(currencyDigits).toEqual({ ...Object.fromEntries(withDigits), ...amended.added });
    expect([...currencies].sort()).toEqual(Object.keys(currencyDigits).sort());
  });

  it('are none in which no amount can be told: metals, drawing rights, test codes', () => {
    const without = Object.keys(listOne).filter((code) => listOne[code] === 'N.A.');
    expect(without).toEqual(expect.arrayContaining(['XAU', 'XDR', 'XTS', 'XXX']));
    expect(without.filter(isCurrency)).toEqual([]);
  });

  it('are told by their code alone: nothing else that an object has is one', () => {
    expect(['toString', '__proto__', 'constructor', 'eur', 'EUR ', ''].filter(isCurrency)).toEqual(
      [],
    );
  });
});
