import { describe, expect, it } from '@jest/globals';

import { isFitting } from '../../../invariants/cross-database';

const held = { kind: 'compensable', isRetired: false } as const;
const gone = { kind: 'compensable', isRetired: true } as const;
const paid = { kind: 'pivot', isRetired: false } as const;

describe('a fence row of a completed transaction', () => {
  it.each([
    ['confirmed', 1, held],
    ['acted', 0, held],
    ['refused', 0, held], // Caught: the flow has gone on without it.
    ['undone', 1, gone],
    ['empty', 0, gone],
    ['refused', 0, gone],
    ['acted', 0, undefined],
  ] as const)('may be %s', (state, reserves, step) => {
    expect(isFitting('completed', { state, reserves, step })).toBe(true);
  });

  it.each([
    ['acted', 1, held],
    ['acted', 1, gone],
    ['undone', 1, held],
    ['empty', 0, held],
    ['refused', 0, paid],
    ['refused', 0, undefined],
    ['undone', 0, undefined],
  ] as const)('may not be %s', (state, reserves, step) => {
    expect(isFitting('completed', { state, reserves, step })).toBe(false);
  });
});

describe('a fence row of a compensated transaction', () => {
  it.each(['undone', 'empty', 'refused'] as const)('may be %s', (state) => {
    expect(isFitting('compensated', { state, reserves: 1, step: held })).toBe(true);
  });

  it.each(['acted', 'confirmed'] as const)('may not be %s', (state) => {
    expect(isFitting('compensated', { state, reserves: 0, step: gone })).toBe(false);
  });
});
