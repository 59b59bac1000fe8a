import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { longestGap } from '../../../../testing/drills/writers';

describe('the longest time without an acknowledged write', () => {
  it('lies between two writes that follow each other, whoever of the writers made them', () => {
    expect(longestGap([100, 5_000, 110, 130, 4_990])).toBe(4_860);
  });

  it('is none where nothing lies between two writes', () => {
    expect(longestGap([])).toBe(0);
    expect(longestGap([100])).toBe(0);
    expect(longestGap([100, 100])).toBe(0);
  });

  it('is that of the outage, wherever it lies in a run that is quick otherwise', () => {
    const run = fc.record({
      before: fc.integer({ min: 1, max: 200 }),
      after: fc.integer({ min: 1, max: 200 }),
      outage: fc.integer({ min: 11, max: 10_000 }),
      rests: fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 400, maxLength: 400 }),
    });
    fc.assert(
      fc.property(run, ({ before, after, outage, rests }) => {
        const times: number[] = [];
        let now = 1_790_000_000_000;
        for (let write = 0; write < before + after; write += 1) {
          now += write === before ? outage : (rests[write] ?? 0);
          times.push(now);
        }
        expect(longestGap(times.toReversed())).toBe(outage);
      }),
    );
  });
});
