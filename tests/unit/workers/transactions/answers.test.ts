import { describe, expect, it } from '@jest/globals';

import { answered, withDigests } from '../../../../workers/transactions/answers';

const request = { key: 'transfer:acme.T-1/debit', amount: { currency: 'EUR', minorUnits: 100 } };
const verdict = {
  gid: 'transfer:acme.T-1',
  branch: 'debit',
  verb: 'try',
  fence: 'first',
  ok: true,
};

const digestsOf = (verdicts: readonly object[], requests: readonly object[]) =>
  (withDigests(verdicts, requests) as { digest: string }[]).map(({ digest }) => digest);

describe('a verdict', () => {
  it('bears the digest of the request with its key, wherever that stands in the set', () => {
    const other = { key: 'transfer:acme.T-2/debit', amount: { currency: 'EUR', minorUnits: 5 } };
    const second = { ...verdict, gid: 'transfer:acme.T-2' };
    const [alone] = digestsOf([verdict], [request]);
    expect(alone).toMatch(/.{8}/);
    expect(digestsOf([second, verdict], [request, other])[1]).toBe(alone);
  });

  it('bears another digest when another amount was asked for', () => {
    const changed = { ...request, amount: { currency: 'EUR', minorUnits: 100_000 } };
    expect(digestsOf([verdict], [changed])).not.toEqual(digestsOf([verdict], [request]));
  });

  it('bears the time of the answer', () => {
    expect(answered([verdict], 5_000)).toEqual([{ ...verdict, answeredAt: 5_000 }]);
  });

  it('is left as it is where the call has no items', () => {
    expect(withDigests({ granted: true }, { gid: 'order:acme.O-1' })).toEqual({ granted: true });
    expect(answered({ granted: true }, 1)).toEqual({ granted: true });
  });
});
