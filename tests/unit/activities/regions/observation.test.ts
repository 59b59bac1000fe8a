import { describe, expect, it } from '@jest/globals';

import {
  levelOfActive,
  levelOfStandby,
  seenBy,
  signalOf,
  signatureOf,
  type ProbeResult,
  type Probed,
} from '../../../../activities/regions/watch/observation';
import { defaultWatchPolicy, type Observation } from '../../../../contracts/regions/watch';
import { anObservation, now, silent } from './watching';

const subject = { epoch: 7, active: 'a', standby: 'b' };
const well: Probed = { reads: true, writes: true, ms: 3, error: null };
const missed: Probed = { reads: true, writes: false, ms: 700, error: 'It waits.' };
const standby = { reads: true, follows: true, ms: 2, lagMs: 200, error: null };

/** Looks each half second, from `now` on. */
const observationOf = (
  looks: readonly (Probed | null)[],
  from: Observation | null = null,
): Observation | null =>
  looks.reduce<Observation | null>((observation, active, at) => {
    const began = now + at * 500;
    return seenBy(observation, subject, {
      began,
      at: began + (active?.ms ?? 700),
      active,
      standby,
    });
  }, from);
const signal = (observation: Observation | null) =>
  observation && signalOf(observation.writes, observation.at, defaultWatchPolicy);

describe('a observation', () => {
  it('is late at the first miss, and silent after three of them that took long enough', () => {
    expect(signal(observationOf([well, missed]))).toBe('late');
    expect(signal(observationOf([well, missed, missed]))).toBe('late');
    expect(signal(observationOf([well, missed, missed, missed]))).toBe('silent');
    const refused = { ...missed, ms: 1 };
    expect(signal(observationOf([refused, refused, refused]))).toBe('late'); // A second is too short.
    expect(signal(observationOf([refused, refused, refused, refused]))).toBe('silent');
  });

  it('is seen again at the first answer, and counts since when', () => {
    const observation = observationOf([missed, missed, missed, well, well]);
    expect(observation?.writes).toEqual({ misses: 0, since: now + 1_503 });
    expect(observation?.reads.misses).toBe(0);
  });

  it('knows nothing of what a vantage point would have seen that does not answer', () => {
    const observation = observationOf([missed, missed, missed, null, null, null, null]);
    expect(observation?.answers.misses).toBe(4);
    expect(signal(observation)).toBe('late');
    expect(signal(observationOf([missed, missed], observation))).toBe('late'); // From the beginning.
  });

  it('begins again with another epoch, or other regions', () => {
    const probeResult: ProbeResult = { began: now, at: now, active: missed, standby };
    const before = anObservation({ writes: silent });
    for (const [other, misses] of [
      [subject, 5],
      [{ ...subject, epoch: 8 }, 1],
      [{ ...subject, standby: 'c' }, 1],
    ] as const)
      expect(seenBy(before, other, probeResult).writes.misses).toBe(misses);
  });

  it('is worth telling where what it comes to is another thing', () => {
    const told = (observation: Observation | null) =>
      observation && signatureOf(observation, defaultWatchPolicy);
    expect(told(observationOf([well, well]))).toBe(told(observationOf([well])));
    expect(told(observationOf([well, missed]))).not.toBe(told(observationOf([well])));
    expect(told(observationOf([missed, missed]))).toBe(told(observationOf([missed])));
  });
});

describe('the level of a region', () => {
  it('of the active one: by what it does with writes', () => {
    const levels = [well, { ...well, ms: 251 }, missed, null].map((look) =>
      levelOfActive(observationOf([look]) ?? anObservation(), look, defaultWatchPolicy),
    );
    expect(levels).toEqual(['HEALTHY', 'DEGRADED', 'DEGRADED', 'DEGRADED']);
    expect(levelOfActive(anObservation({ writes: silent }), missed, defaultWatchPolicy)).toBe(
      'UNHEALTHY',
    );
    expect(
      levelOfActive(anObservation({ writes: silent, answers: silent }), null, defaultWatchPolicy),
    ).toBe('DEGRADED');
  });

  it('of the standby: by how far it follows', () => {
    const level = (more: object, observation: Partial<Observation> = {}) =>
      levelOfStandby(anObservation(observation), { ...standby, ...more }, defaultWatchPolicy);
    expect(level({})).toBe('HEALTHY');
    expect(level({ lagMs: 1_000 })).toBe('DEGRADED');
    expect(level({ lagMs: 1_000 }, { writes: silent })).toBe('HEALTHY'); // Nothing is written.
    expect(level({ follows: false })).toBe('DEGRADED');
    expect(level({ reads: false }, { standbyReads: silent })).toBe('UNHEALTHY');
  });
});
