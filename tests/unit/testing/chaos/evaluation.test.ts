import { describe, expect, it } from '@jest/globals';

import { gidOf } from '../../../../contracts/engine/ids';
import { askedOf, gatesOf, isPassed } from '../../../../testing/chaos/gates';
import { violationsOf } from '../../../../testing/chaos/evaluation';
import { verdictOf } from '../../../../testing/chaos/report';
import type { Observation } from '../../../../testing/chaos/run';

const planted = 'order:acme.planted-1';

const quiet: Observation = {
  operations: 300,
  faults: [],
  restarts: 3,
  seenByClients: new Map(),
  recoveries: { count: 0, p50: 0, p95: 0, p99: 0, max: 0 },
  counters: {
    verdicts: new Map(),
    verdictsOf: () => 1,
    activitiesWith: () => [],
    sqlRetries: 1,
    lockFallbacks: 0,
    stuck: 0,
  },
  planted: [{ gid: planted, isResolved: true }],
  races: {
    gids: Array.from({ length: 60 }, (_, at) => gidOf('order', `acme.race-${at}`)),
    wrong: [],
  },
  unrest: [],
  quietAfterMs: 0,
  wrongAnswers: [],
  tailFailures: [],
  rounds: 20,
  asked: 38,
  violations: [],
  endings: new Map([
    ['order completed', 200],
    ['order compensated', 20],
  ]),
  parked: [],
  notAsked: [],
  isQuiet: true,
  replayed: {
    replayed: 220,
    untouched: 0,
    flows: { order: 1, checkout: 1, transfer: 1, payment: 1, refund: 1, settlement: 1 },
    failures: [],
    ofNextRelease: 0,
    outOfOrder: [],
  },
  facts: { runs: [], stock: [], tokens: [], transitions: [], endings: [] },
  carried: { owners: 220, batches: 1 },
};

describe('the judgement of a run', () => {
  it('finds nothing where nothing was wrong', () => {
    expect(violationsOf(quiet, [])).toEqual([]);
  });

  it('tells each violation once, however many rounds have seen it, and none that was planted', () => {
    const oracle = 'G: no effect is booked twice';
    const row = { gid: 'order:acme.O-1', n: 2 };
    const of = (seen: object) => ({ id: 'G', oracle, database: 'accounts' as const, row: seen });
    const found = violationsOf(
      { ...quiet, violations: [of(row), of(row), of({ gid: planted })] },
      [],
    );
    expect(found).toEqual([expect.objectContaining({ checker: oracle, gid: 'order:acme.O-1' })]);
  });

  it('is violated by what was planted to park, and ended as if nothing were wrong', () => {
    const violations = [
      { id: 'X2', oracle: 'X2', database: 'inventory' as const, row: { gid: planted } },
    ];
    const unresolved = [{ gid: planted, isResolved: false }];
    expect(violationsOf({ ...quiet, planted: unresolved, violations }, [])).toHaveLength(1);
  });

  it('is violated by what never ends, by what an outage parked, and by a dead tail', () => {
    expect(
      violationsOf({ ...quiet, unrest: ['order:acme.O-1 is running at holdFunds'] }, []),
    ).toHaveLength(1);
    expect(violationsOf({ ...quiet, parked: ['order:acme.O-1', planted] }, [])).toHaveLength(1);
    expect(violationsOf({ ...quiet, tailFailures: ['no refund'] }, [])).toHaveLength(1);
    expect(violationsOf({ ...quiet, wrongAnswers: ['another body'] }, [])).toHaveLength(1);
  });
});

describe('a run in which too little happened', () => {
  const asked = { ok: 200, unknown: 1, byKind: new Map<string, number>() };
  const kinds = ['order', 'checkout', 'transfer', 'payment', 'refund', 'cancel', 'review', 'read'];
  const enough = { ...asked, byKind: new Map(kinds.map((kind) => [kind, 20])) };
  const plan = [{ name: 'kill-worker' as const, ms: 0, calmMs: 0 }];
  const struck = { ...quiet, faults: [{ name: 'kill-worker' as const, hasStruck: true }] };

  it('is proven only where every gate is passed', () => {
    const gates = gatesOf(struck, enough, { plan, minutes: 3, hasNext: false, lane: 'mixed' });
    expect(gates.filter((gate) => !isPassed(gate))).toEqual([]);
    expect(verdictOf([], gates)).toBe('proven');
  });

  it.each([
    [
      'a planned fault hit nothing',
      { ...struck, faults: [{ name: 'kill-worker', hasStruck: false }] },
    ],
    ['nothing was late', { ...struck, counters: { ...quiet.counters, verdictsOf: () => 0 } }],
    ['nothing parked', { ...struck, planted: [] }],
    ['nobody looked', { ...struck, rounds: 3 }],
    ['no batch ran', { ...struck, carried: { owners: 220, batches: 0 } }],
    ['nothing was compensated', { ...struck, endings: new Map([['order completed', 200]]) }],
  ] as const)('is not proven where %s', (_, observed) => {
    const gates = gatesOf(observed, enough, { plan, minutes: 3, hasNext: false, lane: 'mixed' });
    expect(verdictOf([], gates)).toBe('not proven');
    expect(verdictOf([{ checker: 'G', sentence: 'twice' }], gates)).toBe('violated');
  });

  it('counts a call that was never answered as unknown', () => {
    const line = { n: 1, proc: 'client-1', f: 'order', key: 'k', value: {}, t: 1 } as const;
    expect(askedOf([{ ...line, type: 'invoke' }])).toMatchObject({ ok: 0, unknown: 1 });
    expect(
      askedOf([
        { ...line, type: 'invoke' },
        { ...line, type: 'ok' },
      ]),
    ).toMatchObject({
      ok: 1,
      unknown: 0,
    });
  });
});
