import { describe, expect, it } from '@jest/globals';

import {
  levelOfActive,
  levelOfStandby,
  seenBy,
  signalOf,
  signatureOf,
  type Glimpse,
  type Probed,
} from '../../../../activities/regions/watch/observation';
import { defaultWatchPolicy, type Sight } from '../../../../contracts/participants/region-watch';
import { aSight, now, silent } from './watching';

const subject = { epoch: 7, active: 'a', standby: 'b' };
const well: Probed = { reads: true, writes: true, ms: 3, error: null };
const missed: Probed = { reads: true, writes: false, ms: 700, error: 'It waits.' };
const standby = { reads: true, follows: true, ms: 2, lagMs: 200, error: null };

/** Looks each half second, from `now` on. */
const sightOf = (looks: readonly (Probed | null)[], from: Sight | null = null): Sight | null =>
  looks.reduce<Sight | null>((sight, active, at) => {
    const began = now + at * 500;
    return seenBy(sight, subject, { began, at: began + (active?.ms ?? 700), active, standby });
  }, from);
const signal = (sight: Sight | null) =>
  sight && signalOf(sight.writes, sight.at, defaultWatchPolicy);

describe('a sight', () => {
  it('is late at the first miss, and silent after three of them that took long enough', () => {
    expect(signal(sightOf([well, missed]))).toBe('late');
    expect(signal(sightOf([well, missed, missed]))).toBe('late');
    expect(signal(sightOf([well, missed, missed, missed]))).toBe('silent');
    const refused = { ...missed, ms: 1 };
    expect(signal(sightOf([refused, refused, refused]))).toBe('late'); // A second is too short.
    expect(signal(sightOf([refused, refused, refused, refused]))).toBe('silent');
  });

  it('is seen again at the first answer, and counts since when', () => {
    const sight = sightOf([missed, missed, missed, well, well]);
    expect(sight?.writes).toEqual({ misses: 0, since: now + 1_503 });
    expect(sight?.reads.misses).toBe(0);
  });

  it('knows nothing of what a vantage point would have seen that does not answer', () => {
    const sight = sightOf([missed, missed, missed, null, null, null, null]);
    expect(sight?.answers.misses).toBe(4);
    expect(signal(sight)).toBe('late');
    expect(signal(sightOf([missed, missed], sight))).toBe('late'); // From the beginning.
  });

  it('begins again with another epoch, or other regions', () => {
    const glimpse: Glimpse = { began: now, at: now, active: missed, standby };
    const before = aSight({ writes: silent });
    for (const [other, misses] of [
      [subject, 5],
      [{ ...subject, epoch: 8 }, 1],
      [{ ...subject, standby: 'c' }, 1],
    ] as const)
      expect(seenBy(before, other, glimpse).writes.misses).toBe(misses);
  });

  it('is worth telling where what it comes to is another thing', () => {
    const told = (sight: Sight | null) => sight && signatureOf(sight, defaultWatchPolicy);
    expect(told(sightOf([well, well]))).toBe(told(sightOf([well])));
    expect(told(sightOf([well, missed]))).not.toBe(told(sightOf([well])));
    expect(told(sightOf([missed, missed]))).toBe(told(sightOf([missed])));
  });
});

describe('the level of a region', () => {
  it('of the active one: by what it does with writes', () => {
    const levels = [well, { ...well, ms: 251 }, missed, null].map((look) =>
      levelOfActive(sightOf([look]) ?? aSight(), look, defaultWatchPolicy),
    );
    expect(levels).toEqual(['HEALTHY', 'DEGRADED', 'DEGRADED', 'DEGRADED']);
    expect(levelOfActive(aSight({ writes: silent }), missed, defaultWatchPolicy)).toBe('UNHEALTHY');
    expect(
      levelOfActive(aSight({ writes: silent, answers: silent }), null, defaultWatchPolicy),
    ).toBe('DEGRADED');
  });

  it('of the standby: by how far it follows', () => {
    const level = (more: object, sight: Partial<Sight> = {}) =>
      levelOfStandby(aSight(sight), { ...standby, ...more }, defaultWatchPolicy);
    expect(level({})).toBe('HEALTHY');
    expect(level({ lagMs: 1_000 })).toBe('DEGRADED');
    expect(level({ lagMs: 1_000 }, { writes: silent })).toBe('HEALTHY'); // Nothing is written.
    expect(level({ follows: false })).toBe('DEGRADED');
    expect(level({ reads: false }, { standbyReads: silent })).toBe('UNHEALTHY');
  });
});
