import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { canonicalJson } from '../../../contracts/engine/canonical-json';

const value = fc.jsonValue({ depthSize: 'medium', stringUnit: 'binary' });

describe('canonical JSON', () => {
  it('is the same text for the same value, in whatever order its members came', () => {
    const reversed = (given: unknown): unknown => {
      if (typeof given !== 'object' || given === null) return given;
      if (Array.isArray(given)) return given.map(reversed);
      return Object.fromEntries(
        Object.entries(given)
          .reverse()
          .map(([name, one]) => [name, reversed(one)]),
      );
    };
    fc.assert(
      fc.property(value, (given) => {
        expect(canonicalJson(reversed(given))).toBe(canonicalJson(given));
        expect(JSON.parse(canonicalJson(given))).toEqual(JSON.parse(JSON.stringify(given)));
      }),
    );
  });

  it('sorts as RFC 8785 does, by UTF-16 units', () => {
    const given = {
      '\u20ac': 1,
      '\r': 2,
      '\ufb33': 3,
      '1': 4,
      '\u{1f600}': 5,
      '\u0080': 6,
      '\u00f6': 7,
    };
    expect(canonicalJson(given)).toBe(
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"\u{1f600}":5,"\ufb33":3}',
    );
  });

  it('writes what is no JSON value as JSON.stringify writes it', () => {
    const at = new Date(0);
    expect(canonicalJson({ b: [undefined, NaN], a: undefined, at })).toBe(
      `{"at":"${at.toISOString()}","b":[null,null]}`,
    );
    expect(() => canonicalJson({ amount: 1n })).toThrow(TypeError);
  });
});
