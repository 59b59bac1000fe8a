import { describe, expect, it } from '@jest/globals';

import { assess, type RiskFacts } from '../../../../activities/accounts/risk-rules';
import type { RiskPolicy } from '../../../../contracts/participants/risk';

const policy: RiskPolicy = {
  reviewScore: 50,
  declineScore: 100,
  velocity: { windowMs: 60_000, max: 3, score: 40 },
  amountLimits: { EUR: { review: 1_000, decline: 5_000 } },
  newPayeeScore: 20,
};

const harmless: RiskFacts = {
  amount: { currency: 'EUR', minorUnits: 1_000 },
  blocked: [],
  isVelocityExceeded: false,
  isPayeeKnown: true,
};
const assessed = (change: Partial<RiskFacts>, other: Partial<RiskPolicy> = {}) =>
  assess({ ...harmless, ...change }, { ...policy, ...other });
const eur = (minorUnits: number) => ({ currency: 'EUR', minorUnits }) as const;

describe('the rules of risk', () => {
  it('approve what none of them speaks about, up to the very limit', () => {
    expect(assessed({})).toEqual({ decision: 'approve', score: 0, reasons: [] });
  });

  it('approve it also where every threshold is zero', () => {
    expect(assessed({}, { reviewScore: 0, declineScore: 0 }).decision).toBe('approve');
  });

  it.each([
    [1_001, 'review'],
    [5_000, 'review'],
    [5_001, 'decline'],
  ] as const)('look at an amount of %i: %s', (minorUnits, decision) => {
    expect(assessed({ amount: eur(minorUnits) })).toMatchObject({
      decision,
      reasons: [{ rule: 'amount_limit' }],
    });
  });

  it('ask a person about every amount of a currency without a limit, and say what is missing', () => {
    const amount = { currency: 'CHF', minorUnits: 1 } as const;
    expect(assessed({ amount })).toEqual({
      decision: 'review',
      score: 50,
      reasons: [
        {
          rule: 'amount_limit',
          severity: 'warning',
          score: 50,
          detail: 'RISK_POLICY has no amountLimits for CHF',
        },
      ],
    });
  });

  it('decline for a blocked account, whatever its score is', () => {
    const blocked = [{ accountId: 'acme.A-9', reason: 'reported stolen' }];
    expect(assessed({ blocked }, { declineScore: 1_000 })).toMatchObject({
      decision: 'decline',
      reasons: [{ severity: 'critical', detail: 'A-9 is blocked: reported stolen' }],
    });
  });

  it('add their scores: two that are harmless alone call for a person, or decline', () => {
    expect(assessed({ isVelocityExceeded: true }).decision).toBe('approve');
    expect(assessed({ isPayeeKnown: false }).decision).toBe('approve');
    const both = { isVelocityExceeded: true, isPayeeKnown: false };
    expect(assessed(both)).toMatchObject({ decision: 'review', score: 60 });
    expect(assessed(both, { declineScore: 60 }).decision).toBe('decline');
  });

  it('all speak: a reason to decline does not silence the others', () => {
    const everything = {
      amount: eur(5_001),
      blocked: [{ accountId: 'acme.A-9', reason: 'reported stolen' }],
      isVelocityExceeded: true,
      isPayeeKnown: false,
    };
    expect(assessed(everything)).toMatchObject({
      decision: 'decline',
      score: 260,
      reasons: [
        { rule: 'blocked_account' },
        { rule: 'amount_limit' },
        { rule: 'velocity' },
        { rule: 'new_payee' },
      ],
    });
  });
});
