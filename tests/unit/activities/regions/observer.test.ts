import { describe, expect, it } from '@jest/globals';

import { createObserver, type Place } from '../../../../activities/regions/watch/observer';
import type { Probed } from '../../../../activities/regions/watch/observation';
import { defaultWatchPolicy, type Observation } from '../../../../contracts/regions/watch';
import { anObservation, now as start, silent } from './watching';

const subject = { epoch: 7, active: 'a', standby: 'b' };
const well: Probed = { reads: true, writes: true, ms: 5, error: null };
const missed: Probed = { reads: false, writes: false, ms: 700, error: 'It waits.' };
const standby = { reads: true, follows: true, ms: 2, lagMs: 200, error: null };

/** An observer of what a test plays, on a clock that a look and a pause move. */
function observing(played: {
  readonly look?: (at: number) => Probed | null;
  readonly place?: () => Place | null;
}) {
  let now = start;
  const told: number[] = [];
  const observe = createObserver({
    place: () =>
      Promise.resolve(played.place ? played.place() : { subject, policy: defaultWatchPolicy }),
    look: () => {
      const began = now;
      const active = played.look ? played.look(began - start) : well;
      now += active?.ms ?? 700;
      return Promise.resolve({ began, at: now, active, standby });
    },
    tell: () => Promise.resolve(void told.push(now - start)),
    now: () => now,
    pause: (ms) => Promise.resolve(void (now += Math.max(0, ms))),
  });
  return {
    told,
    elapsedMs: () => now - start,
    observe: (since: Observation | null, signal = new AbortController().signal) =>
      observe({ vantage: 'hub', since }, signal),
  };
}

describe('an observer', () => {
  it('tells its first look at once, and then nothing for a minute where all is well', async () => {
    const { observe, elapsedMs, told } = observing({});
    const first = await observe(null);
    expect(elapsedMs()).toBe(5);
    const second = await observe(first);
    expect(elapsedMs()).toBeGreaterThanOrEqual(60_000);
    expect(second?.writes).toEqual(first?.writes);
    expect(told.length).toBeGreaterThan(25); // Each two seconds: what nobody writes down, nobody looks at.
  });

  it('tells each change when it is one, and counts on from what it told before', async () => {
    const { observe, elapsedMs } = observing({ look: (at) => (at < 3_000 ? well : missed) });
    const first = await observe(null);
    const late = await observe(first);
    expect(late?.writes.misses).toBe(1);
    const last = await observe(late);
    expect(last?.writes.misses).toBe(3);
    expect(elapsedMs()).toBeLessThan(6_000);
  });

  it('tells within seconds where something is missed, although it is the same', async () => {
    const { observe, elapsedMs } = observing({ look: () => missed });
    let observation = await observe(null);
    observation = await observe(observation); // Silent.
    const before = elapsedMs();
    expect((await observe(observation))?.writes.misses).toBeGreaterThan(4);
    expect(elapsedMs() - before).toBeLessThan(6_000);
  });

  it('looks no faster where what it sees flickers', async () => {
    let looks = 0;
    const { observe, elapsedMs } = observing({
      look: () => ({ ...((looks += 1) % 2 ? well : missed), ms: 1 }),
    });
    let observation = await observe(null);
    for (let at = 0; at < 40; at += 1) observation = await observe(observation);
    expect(elapsedMs()).toBeGreaterThanOrEqual(looks * 200);
  });

  it('tells of another epoch at once, and ends where there is nothing to watch', async () => {
    let epoch = 7;
    const { observe, elapsedMs } = observing({
      place: () =>
        epoch > 8 ? null : { subject: { ...subject, epoch }, policy: defaultWatchPolicy },
    });
    const first = await observe(null);
    epoch = 8;
    expect((await observe(first))?.epoch).toBe(8);
    expect(elapsedMs()).toBeLessThan(1_000);
    epoch = 9;
    expect(await observe(first)).toBeNull();
  });

  it('begins anew, and tells at once, where nobody has looked for a while', async () => {
    const { observe, elapsedMs } = observing({ look: () => missed });
    const old = anObservation({ at: start - 10_001, writes: silent });
    expect((await observe(old))?.writes.misses).toBe(1);
    expect(elapsedMs()).toBeLessThan(1_000);
  });

  it('ends with what it has seen when its process is stopping', async () => {
    const { observe, elapsedMs } = observing({});
    const first = await observe(null);
    expect(await observe(first, AbortSignal.abort())).toMatchObject({ writes: { misses: 0 } });
    expect(elapsedMs()).toBeLessThan(1_000);
  });
});
