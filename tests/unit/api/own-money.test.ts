import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';

import { money, price } from '../../../api/http/own-money';
import type { Money } from '../../../contracts/engine/money';

describe('money in the body of a flow of a project', () => {
  test('is money of the contracts, without a cast', () => {
    const amount: Money = money.parse({ currency: 'EUR', minorUnits: 250 });
    const free: Money = price.parse({ currency: 'JPY', minorUnits: 0 });
    expect([amount, free]).toEqual([
      { currency: 'EUR', minorUnits: 250 },
      { currency: 'JPY', minorUnits: 0 },
    ]);
  });

  test.each<[string, z.ZodType]>([
    ['an amount', money],
    ['a price', price],
  ])('%s in a currency that Accord does not move is a fault of that field', (_, schema) => {
    const { error } = schema.safeParse({ currency: 'XYZ', minorUnits: 1 });
    expect(error?.issues).toMatchObject([
      {
        path: ['currency'],
        message: 'must be a currency of ISO 4217 that has minor units',
      },
    ]);
  });
});
