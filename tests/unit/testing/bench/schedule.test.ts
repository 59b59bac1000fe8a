import { describe, expect, it } from '@jest/globals';

import {
  intendedTimes,
  secondsOf,
  steady,
  transactionsOf,
  usersStages,
} from '../../../../testing/bench/load/schedule';

const timesOf = (...stages: readonly { seconds: number; from: number; to: number }[]) => [
  ...intendedTimes(stages),
];

describe('the schedule of an open loop', () => {
  it('is even at a fixed rate, and begins at once', () => {
    expect(timesOf(...steady(4, 1))).toEqual([0, 250, 500, 750]);
  });

  it('goes on over the border of two stages without a gap and without a double', () => {
    const split = timesOf({ seconds: 0.6, from: 4, to: 4 }, { seconds: 1.4, from: 4, to: 4 });
    const whole = timesOf(...steady(4, 2));
    expect(split).toHaveLength(whole.length);
    for (const [at, ms] of split.entries()) expect(ms).toBeCloseTo(whole[at] ?? -1, 6);
  });

  it('gets denser while the rate rises, and thinner while it falls', () => {
    const rising = timesOf({ seconds: 10, from: 0, to: 20 });
    const falling = timesOf({ seconds: 10, from: 20, to: 0 });
    const inFirstHalf = (times: readonly number[]) => times.filter((ms) => ms < 5_000).length;
    expect([rising.length, falling.length]).toEqual([100, 100]);
    expect([inFirstHalf(rising), inFirstHalf(falling)]).toEqual([25, 75]);
  });

  it('never goes back, and never leaves its time', () => {
    const stages = usersStages(37, 16);
    const times = timesOf(...stages);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    expect(Math.min(...times)).toBe(0);
    expect(Math.max(...times)).toBeLessThan(16_000);
  });

  it('has as many transactions as its rates say', () => {
    const stages = usersStages(200, 960);
    expect(secondsOf(stages)).toBe(960);
    expect([...intendedTimes(stages)]).toHaveLength(Math.ceil(transactionsOf(stages)));
  });
});

describe('the load profile of the API', () => {
  it('goes up to half of the users, holds, up to all, holds, and down: 2, 5, 2, 5, 2 minutes', () => {
    expect(usersStages(200, 960)).toEqual([
      { seconds: 120, from: 0, to: 100 },
      { seconds: 300, from: 100, to: 100 },
      { seconds: 120, from: 100, to: 200 },
      { seconds: 300, from: 200, to: 200 },
      { seconds: 120, from: 200, to: 0 },
    ]);
  });
});
