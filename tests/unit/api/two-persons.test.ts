import { describe, expect, it } from '@jest/globals';

import { ruleOfBooking } from '../../../api/approvals/two-persons';

const pieces = [{ kind: 'stock', sku: 'acme.S-1', quantity: 2 }] as const;
const money = [{ kind: 'hold', currency: 'EUR', minorUnits: 1 }] as const;

describe('the word that a skipped step is booked', () => {
  it.each([
    ['of stock, by somebody else', 'order', 'reserveStock', pieces, ['alice'], null],
    [
      'of stock, by who may have started it',
      'order',
      'reserveStock',
      pieces,
      ['bob', 'shop'],
      'own_transaction',
    ],
    ['of stock, by nobody knows whom', 'order', 'reserveStock', pieces, null, 'own_transaction'],
    ['of a switch of regions', 'failover', 'fenceRegion', [], ['alice'], 'moves_regions'],
    ['of a rejoin', 'failback', 'followActive', [], ['shop'], 'moves_regions'],
    ['of money', 'order', 'holdFunds', money, ['alice'], 'books_money'],
    [
      'of a step that moves money, whatever it has left',
      'order',
      'holdFunds',
      [],
      ['alice'],
      'books_money',
    ],
  ] as const)('wants what every word by hand wants: %s', (_, flow, step, amounts, people, rule) => {
    const run = { flow, requester: ['shop'] };
    expect(ruleOfBooking(run, { step, branch: step, amounts }, people)).toBe(rule);
  });
});
