import { describe, expect, it } from '@jest/globals';

import { faultMenu, faultNames } from '../../../../testing/chaos/faults';
import { randomFrom } from '../../../../testing/chaos/random';
import { planFaults } from '../../../../testing/chaos/schedule';

const minute = 60_000;

describe('the plan of faults', () => {
  it('is the same for the same seed, and another for another', () => {
    const plan = (seed: number) => planFaults(randomFrom(seed), 3 * minute);
    expect(plan(7)).toEqual(plan(7));
    expect(plan(7)).not.toEqual(plan(8));
  });

  it('has each kind once before any comes again', () => {
    const names = planFaults(randomFrom(1), 30 * minute).map(({ name }) => name);
    expect(new Set(names.slice(0, faultNames.length)).size).toBe(faultNames.length);
    expect(names.length).toBeGreaterThan(faultNames.length);
  });

  it.each([1, 2, 3, 4, 5])(
    'kills, pauses and cuts both ways even in a minute, of seed %i',
    (seed) => {
      const names = planFaults(randomFrom(seed), minute).map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining([
          'kill-worker',
          'pause-worker',
          'cut-after-commit',
          'cut-before-commit',
        ]),
      );
      expect(names.some((name) => faultMenu[name].isKill)).toBe(true);
    },
  );

  it('keeps to the kinds that were asked for', () => {
    const names = planFaults(randomFrom(3), minute, { only: ['mysql-reset'] }).map(
      ({ name }) => name,
    );
    expect(new Set(names)).toEqual(new Set(['mysql-reset']));
  });

  it('has what a planted bug needs, whatever was asked for', () => {
    const plan = planFaults(randomFrom(4), minute / 10, {
      only: ['mysql-reset'],
      must: ['promotion'],
    });
    expect(plan.map(({ name }) => name)).toContain('promotion');
  });
});

describe('chance from a seed', () => {
  it('reaches both ends of a range and every item', () => {
    const random = randomFrom(5);
    const drawn = Array.from({ length: 500 }, () => random.between(1, 3));
    expect(new Set(drawn)).toEqual(new Set([1, 2, 3]));
    const items = Array.from({ length: 500 }, () => random.pick(['a', 'b', 'c']));
    expect(new Set(items)).toEqual(new Set(['a', 'b', 'c']));
    expect(random.shuffled([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });

  it('is not shifted in one place by what another draws', () => {
    const one = randomFrom(9);
    const other = randomFrom(9);
    one.next();
    expect(one.fork('load').next()).toBe(other.fork('load').next());
    expect(one.fork('load').next()).not.toBe(one.fork('faults').next());
  });
});
