import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { decideOn, targetOf, type Standing } from '../../../../activities/regions/watch/decision';
import { regionStatuses } from '../../../../contracts/regions/regions';
import { isWell, type Observation, type WatchDecision } from '../../../../contracts/regions/watch';
import { aLinkObservation, anObservation, aStanding, late, now, seen, silent } from './watching';

const decide = (
  hub: Partial<Observation>,
  link: Partial<Observation> | null = {},
  standing: Partial<Standing> = {},
) =>
  decideOn(
    { hub: anObservation(hub), ...(link && { link: aLinkObservation(link) }) },
    aStanding(standing),
    now,
  ).decision;
const degraded = { state: 'degraded', sync: false } as const;
const dead = { reads: silent, writes: silent };
const hanging = { writes: silent };

describe('an active region that is silent at both vantage points', () => {
  it('is left by itself where the policy lets the watch do so', () => {
    expect(decide(dead, dead)).toEqual({
      kind: 'failover',
      ...{ epoch: 7, sequence: 3, from: 'a', to: 'b' },
      ...{ since: silent.since, force: false },
      reason: 'Region a acknowledges no write at either vantage point.',
    });
  });

  it('is left by a person where it does not, and where the standby may lack something', () => {
    const policy = { ...aStanding().policy, autoFailover: false };
    expect(decide(dead, dead, { policy })).toMatchObject({ kind: 'ask', to: 'b' });
    expect(decide(dead, dead, degraded)).toMatchObject({ kind: 'ask', to: 'b' });
    expect(decide(dead, dead, { sync: false })).toMatchObject({ kind: 'ask', force: true });
  });

  it('is left also while it answers: its disk may be frozen', () => {
    expect(decide(hanging, hanging)).toMatchObject({ kind: 'failover' });
  });

  it.each<[string, Partial<Standing>, string]>([
    ['shortly after a switch', { sinceFailoverMs: 599_999 }, 'anti_flap'],
    ['after two switches in an hour', { attempts: 2 }, 'attempts_used'],
    ['without a standby', { regions: [{ region: 'b', status: 'FAILED' }] }, 'no_target'],
  ])('is only told of: %s', (_, standing, code) => {
    expect(decide(dead, dead, standing)).toMatchObject({ kind: 'page', code });
  });

  it('is told of where the standby is silent, too', () => {
    expect(decide({ ...dead, standbyReads: silent }, null)).toMatchObject({ code: 'nobody_left' });
  });
});

describe('writes that wait for the standby', () => {
  it.each<[string, Partial<Observation>, Partial<Observation> | null]>([
    ['it is gone, with its agent', { ...hanging, standbyReads: silent }, null],
    ['it is gone, and its agent sees them wait', { ...hanging, standbyReads: silent }, hanging],
    ['the link is cut', hanging, dead],
    ['it does not follow', { ...hanging, standbyFollows: silent }, hanging],
  ])('are acknowledged without it: %s', (_, hub, link) => {
    expect(decide(hub, link)).toMatchObject({ kind: 'degrade', epoch: 7 });
    expect(decide(hub, link, degraded)).toMatchObject({ kind: 'degrade' }); // The region may not know yet.
    expect(decide(hub, link, { sync: false })).toMatchObject({ kind: 'page', code: 'silent' });
  });

  it.each<[string, Partial<Observation>, Partial<Observation>]>([
    ['the link may be about to be silent', hanging, { reads: late, writes: silent }],
    ['the standby may be about to be silent', { ...hanging, standbyReads: late }, hanging],
    ['it may not follow any more', { ...hanging, standbyFollows: late }, hanging],
    ['the hub may be about to lose the active one', { reads: late, writes: silent }, dead],
  ])('are looked at again before anything is decided: %s', (_, hub, link) => {
    expect(decide(hub, link)).toEqual({ kind: 'nothing' });
  });
});

describe('silence at one vantage point alone', () => {
  const long = { misses: 20, since: now - 6_000 };
  it.each<[string, Partial<Observation>, Partial<Observation> | null, string]>([
    ['the hub', { reads: long, writes: long }, {}, 'silent_at_hub'],
    ['the link', {}, { reads: long, writes: long }, 'silent_at_link'],
    ['the hub, and nobody else looks', { writes: long }, null, 'silent_at_hub'],
    ['an agent', {}, { answers: long }, 'vantage_lost'],
  ])('is told of, after a while: %s', (_, hub, link, code) => {
    expect(decide(hub, link)).toMatchObject({ kind: 'page', code });
    const short = (observation: Partial<Observation>) =>
      Object.fromEntries(Object.keys(observation).map((name) => [name, silent]));
    expect(decide(short(hub), link && short(link))).toEqual({ kind: 'nothing' });
  });
});

describe('a standby that is back', () => {
  it('stands by again where the active region has gone on alone', () => {
    expect(decide({}, {}, degraded)).toEqual({
      kind: 'resync',
      ...{ epoch: 7, sequence: 3, region: 'b', active: 'a' },
    });
    expect(decide({}, {})).toEqual({ kind: 'nothing' });
    expect(decide({}, {}, { ...degraded, resyncs: 6 })).toMatchObject({ code: 'resyncs_used' });
  });

  it('is not asked at once, nor while the link is cut, nor where it is silent', () => {
    const justNow = { misses: 0, since: now - 4_000 };
    expect(decide({ standbyReads: justNow }, {}, degraded)).toEqual({ kind: 'nothing' });
    expect(decide({}, { reads: justNow }, degraded)).toEqual({ kind: 'nothing' });
    expect(decide({}, dead, degraded)).toEqual({ kind: 'nothing' });
    expect(decide({ standbyReads: silent }, {}, degraded)).toMatchObject({
      code: 'standby_silent',
    });
  });

  it('need not have followed: it is let follow by that', () => {
    expect(decide({ standbyFollows: silent }, {}, degraded)).toMatchObject({ kind: 'resync' });
  });
});

describe('what was seen long ago, or of something else', () => {
  it.each<[string, Partial<Observation>]>([
    ['in an earlier epoch', { epoch: 6 }],
    ['of another region', { active: 'b' }],
    ['too long ago', { at: now - 10_001 }],
  ])('decides nothing: %s', (_, more) => {
    expect(decide({ ...dead, ...more }, dead)).toEqual({ kind: 'nothing' });
    expect(decide(dead, { ...dead, ...more })).toEqual({ kind: 'nothing' });
  });
});

describe('a vantage point that has told nothing lately', () => {
  it('is not called lost: it may be about to tell', () => {
    expect(decide({}, { at: now - 70_001 })).toEqual({ kind: 'nothing' });
    expect(decide({ ...dead, at: now - 10_001 }, {})).toEqual({ kind: 'nothing' });
  });
});

describe('the target', () => {
  const regions = [
    { region: 'a', status: 'ACTIVE' },
    { region: 'b', status: 'STANDBY' },
    { region: 'c', status: 'STANDBY' },
    { region: 'd', status: 'FAILED' },
  ] as const;
  it.each([
    [[], 'b'],
    [['c', 'b'], 'c'],
    [['d', 'c'], 'c'],
    [['a', 'x'], 'b'],
  ])('is the first standby by priority: %j', (priorities, target) => {
    expect(targetOf({ region: 'a', regions, policy: { priorities } })).toBe(target);
  });

  it('is nobody who was not looked at', () => {
    const policy = { ...aStanding().policy, priorities: ['c'] };
    expect(decide(dead, dead, { regions, policy })).toEqual({ kind: 'nothing' });
  });
});

describe('whatever is seen', () => {
  const streak = fc.constantFrom(seen, seen, late, silent, silent);
  const observation: fc.Arbitrary<Observation> = fc.record({
    epoch: fc.constantFrom(7, 7, 7, 6),
    active: fc.constantFrom('a', 'a', 'a', 'b'),
    standby: fc.constantFrom('b', 'b', 'b', 'c', null),
    at: fc.constantFrom(now, now - 3_000, now - 20_000, now - 90_000),
    answers: fc.constantFrom(seen, seen, silent),
    reads: streak,
    writes: streak,
    standbyReads: fc.option(streak),
    standbyFollows: fc.option(streak),
  });
  const standing: fc.Arbitrary<Standing> = fc.record({
    epoch: fc.constant(7),
    region: fc.constantFrom('a', 'a', 'b'),
    sync: fc.boolean(),
    state: fc.constantFrom('steady', 'steady', 'degraded', 'failing-over'),
    sequence: fc.nat(9),
    openMove: fc.constantFrom(null, null, null, 'failover:main.3'),
    regions: fc.uniqueArray(
      fc.record({
        region: fc.constantFrom('a', 'b', 'c'),
        status: fc.constantFrom(...regionStatuses),
      }),
      { selector: (one) => one.region },
    ),
    policy: fc.record({
      autoFailover: fc.boolean(),
      failureThreshold: fc.integer({ min: 1, max: 4 }),
      unhealthyMs: fc.constantFrom(500, 1_500),
      maxAttempts: fc.nat(3),
      priorities: fc.subarray(['a', 'b', 'c']),
      dataSyncTimeoutSeconds: fc.constant(10),
    }),
    sinceFailoverMs: fc.option(fc.nat(1_200_000)),
    attempts: fc.nat(3),
    resyncs: fc.nat(7),
  });
  /** A vantage point that answers, and tells of now. */
  const tells = (
    one: Observation | undefined,
    { epoch, region: active }: Standing,
  ): one is Observation =>
    one !== undefined &&
    one.epoch === epoch &&
    one.active === active &&
    one.answers.misses === 0 &&
    now - one.at <= (isWell(one) ? 70_000 : 10_000);

  /** What must be true of a decision, whatever it is made on; by what it would break. */
  const promisesOf = (
    decision: WatchDecision,
    hub: Observation,
    link: Observation | undefined,
    known: Standing,
  ): Readonly<Record<string, boolean>> => {
    const statusOf = (name: string) =>
      known.regions.find(({ region: one }) => one === name)?.status;
    switch (decision.kind) {
      case 'nothing':
        return {};
      case 'failover':
      case 'ask':
        return {
          'both tell, and neither sees a write': [hub, link].every(
            (one) => tells(one, known) && one.writes.misses > 0,
          ),
          'not too often': known.attempts < known.policy.maxAttempts,
          'not right after another one': (known.sinceFailoverMs ?? Infinity) >= 600_000,
          'to a standby': statusOf(decision.to) === 'STANDBY' && decision.to !== known.region,
          'alone only where it may, and nothing can be lost':
            decision.kind === 'ask' ||
            (known.policy.autoFailover && known.sync && known.state === 'steady'),
        };
      case 'degrade':
        return {
          'somebody is waited for': known.state === 'degraded' || known.sync,
          'it does not take writes, and can be told': hub.writes.misses > 0 && !hub.reads.misses,
        };
      case 'resync':
        return {
          'it has gone on alone': known.state === 'degraded' && hub.writes.misses === 0,
          'the other one': decision.region === hub.standby,
        };
      case 'page':
        return { 'says why': decision.code !== '' };
    }
  };

  it('keeps every promise of the watch', () => {
    fc.assert(
      fc.property(
        observation,
        fc.option(observation, { nil: undefined }),
        standing,
        (hub, link, known) => {
          const { decision, againMs } = decideOn({ hub, ...(link && { link }) }, known, now);
          const isMoved = known.openMove !== null || known.state === 'failing-over';
          const promises = {
            ...promisesOf(decision, hub, link, known),
            'leaves alone who moves the regions': !isMoved || decision.kind === 'nothing',
            'looks again': againMs > 0,
          };
          expect(Object.entries(promises).filter(([, isKept]) => !isKept)).toEqual([]);
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('never degrades in one policy what it would leave in another one', () => {
    fc.assert(
      fc.property(observation, observation, standing, standing, (hub, link, one, other) => {
        const observations = { hub, link };
        const silence = {
          failureThreshold: one.policy.failureThreshold,
          unhealthyMs: one.policy.unhealthyMs,
        };
        const policy = { ...other.policy, ...silence };
        const { epoch, region: active } = one;
        const kinds = [one, { ...other, epoch, region: active, policy }].map(
          (known) => decideOn(observations, known, now).decision.kind,
        );
        const leaves = kinds.includes('failover') || kinds.includes('ask');
        expect(leaves && kinds.includes('degrade')).toBe(false);
      }),
      { numRuns: 4_000 },
    );
  });
});
