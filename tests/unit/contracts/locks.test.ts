import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { fencingToken } from '../../../contracts/engine/locks';

const part = fc.integer({ min: 0, max: 2 ** 32 - 1 });

describe('a fencing token', () => {
  it('of a later grant or a later epoch is larger', () => {
    fc.assert(
      fc.property(part, part, part, part, (epoch, counter, otherEpoch, otherCounter) => {
        fc.pre(epoch > otherEpoch || (epoch === otherEpoch && counter > otherCounter));
        expect(fencingToken(epoch, counter) > fencingToken(otherEpoch, otherCounter)).toBe(true);
      }),
    );
  });

  it('fits 64 bits without sign', () => {
    expect(fencingToken(2 ** 32 - 1, 2 ** 32 - 1)).toBe(2n ** 64n - 1n);
  });

  it.each([-1, 0.5, 2 ** 32, Number.NaN])('refuses %p rather than wrap round', (wrong) => {
    expect(() => fencingToken(wrong, 1)).toThrow(RangeError);
    expect(() => fencingToken(1, wrong)).toThrow(RangeError);
  });
});
