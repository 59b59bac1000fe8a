import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { firstUnexplained, type Step } from '../../../../testing/chaos/linearizable';

interface Call {
  readonly from: number;
  readonly to: number;
  readonly write?: string;
  readonly read?: string;
}
const step: Step<Call> = (register, { write, read }) =>
  write !== undefined ? [write] : register === read ? [register] : [];

/** By trying every order, as slow as it is plain. */
function isExplained(calls: readonly Call[], register: string): boolean {
  const owed = calls.filter(({ to }) => to !== Infinity);
  if (owed.length === 0) return true;
  return calls.some((call) => {
    const isFirst = calls.every((other) => other === call || call.from < other.to);
    const rest = calls.filter((other) => other !== call);
    return isFirst && step(register, call).some((after) => isExplained(rest, after));
  });
}

describe('the search for an order', () => {
  it('finds one for calls that overlap, and names the call that has none', () => {
    const write = { from: 0, to: 10, write: 'b' };
    const [sees, misses] = [
      { from: 1, to: 2, read: 'b' },
      { from: 3, to: 4, read: 'a' },
    ];
    expect(firstUnexplained([write, sees], 'a', step)).toBeUndefined();
    expect(firstUnexplained([write, misses], 'a', step)).toBeUndefined();
    expect(firstUnexplained([write, sees, misses], 'a', step)).toBe(misses);
  });

  it('lets an unknown call take effect late, or never', () => {
    const unknown = { from: 0, to: Infinity, write: 'b' };
    const reads = ['a', 'a', 'b'].map((read, at) => ({ from: 2 * at + 1, to: 2 * at + 2, read }));
    expect(firstUnexplained([unknown, ...reads], 'a', step)).toBeUndefined();
    expect(firstUnexplained([unknown, { from: 1, to: 2, read: 'a' }], 'a', step)).toBeUndefined();
  });

  it('says the same as trying every order', () => {
    const letters = fc.constantFrom('a', 'b', 'c');
    const aCall = fc.record({
      length: fc.option(fc.nat(6), { nil: Infinity }),
      kind: fc.constantFrom('read', 'write'),
      letter: letters,
      start: fc.nat(8),
    });
    fc.assert(
      fc.property(fc.array(aCall, { maxLength: 6 }), (drawn) => {
        // Moments are all different, as the lines of a history are.
        const calls = drawn.map(({ length, kind, letter, start }, at) => {
          const from = start + at / 100;
          return { from, to: from + length + 0.005, [kind]: letter };
        });
        expect(firstUnexplained(calls, 'a', step) === undefined).toBe(isExplained(calls, 'a'));
      }),
      { numRuns: 2_000 },
    );
  });

  it('walks through a thousand calls of one key', () => {
    const calls = Array.from({ length: 1_000 }, (_, at) => ({ from: at, to: at + 3.5, read: 'a' }));
    expect(firstUnexplained(calls, 'a', step)).toBeUndefined();
  });
});
