import { describe, expect, it } from '@jest/globals';

import { currencyDigits } from '../../../contracts/engine/currency-digits';
import { amountText, currencies, decimalOf, moneyText } from '../../../contracts/engine/money';

describe('money in sentences', () => {
  it.each([
    ['EUR', 1_250, '12.50 EUR'],
    ['EUR', 0, '0.00 EUR'],
    ['EUR', 5, '0.05 EUR'],
    ['JPY', 1_250, '1250 JPY'],
    ['KWD', 1_250, '1.250 KWD'],
    ['CLF', 1_250, '0.1250 CLF'],
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

describe('the digits of currencies', () => {
  it('are known for each currency that is moved', () => {
    expect(currencies.filter((currency) => currencyDigits[currency] === undefined)).toEqual([]);
  });

  it('are those of ISO 4217, each code once', () => {
    const codes = Object.keys(currencyDigits);
    expect(codes).toHaveLength(166);
    expect(codes.filter((code) => !/^[A-Z]{3}$/.test(code))).toEqual([]);
    const withOther = Object.entries(currencyDigits).filter(([, digits]) => digits !== 2);
    expect(Object.fromEntries(withOther)).toEqual({
      ...Object.fromEntries(
        'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'
          .split(' ')
          .map((code) => [code, 0]),
      ),
      ...Object.fromEntries('BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3])),
      CLF: 4,
      UYW: 4,
    });
  });
});
