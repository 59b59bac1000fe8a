import { describe, expect, it } from '@jest/globals';

import { createSteering, type Decide } from '../../../api/transactions/steering';
import { Problem } from '../../../api/http/errors';
import type { RunRow } from '../../../api/stores/runs/rows';
import { thresholdsSchema } from '../../../api/approvals/two-persons';
import { decisions, type Decision } from '../../../contracts/engine/transaction';
import { aRun, aTimeline, anEndedRun } from './fake-api';
import { anApproval } from './fake-approvals';

/** @param parked what the run itself offers; left out: every decision on the step of the row. */
function steeringOver(
  run: RunRow,
  thresholds: object = {},
  parked: Readonly<Record<string, readonly Decision[]>> = { [run.step ?? '']: decisions },
  wasDecided: (gid: string, updateId: string) => Promise<boolean> = () => Promise.resolve(false),
) {
  const updates: unknown[][] = [];
  const update = (...args: unknown[]) => {
    updates.push(args);
    return Promise.resolve();
  };
  const wanted: unknown[][] = [];
  const steering = createSteering({
    thresholds: thresholdsSchema.parse(thresholds),
    now: Date.now,
    runs: { find: () => Promise.resolve(run), cancelUnsent: () => Promise.resolve(true) },
    temporal: {
      cancel: update,
      eject: () => Promise.resolve(),
      resolve: update,
      park: update,
      review: update,
      wasDecided,
      timeline: () => Promise.resolve(aTimeline(parked)),
    },
  });
  return {
    updates,
    wanted,
    steering: {
      ...steering,
      /** A second person is asked, and has not answered yet. */
      decide: (decision: Decide) =>
        steering.decide(decision, (action, rule) => {
          wanted.push([action, rule]);
          return Promise.resolve({ kind: 'waits', approval: anApproval() });
        }),
    },
  };
}

const steer = { tenant: 'acme', gid: 'order:acme.O-1', subject: 'alice', people: ['alice'] };
const decide = { ...steer, step: undefined, version: undefined, evidence: null };
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    (answer) => (typeof answer === 'object' && answer && 'approval' in answer ? 'waits' : 'taken'),
    (error: unknown) => (error as { code: string }).code,
  );

const euros = (minorUnits: number) => ({ kind: 'hold', currency: 'EUR', minorUnits }) as const;

/** The table of docs/architecture.md, steering. */
const table: readonly (readonly [
  string,
  Partial<RunRow>,
  { cancel: string; retry: string; park: string },
])[] = [
  [
    'accepted, not sent',
    { state: 'accepted', startSentAt: null },
    { cancel: 'taken', retry: 'not_parked', park: 'state_changed' },
  ],
  [
    'accepted, sent',
    { state: 'accepted', startConfirmedAt: null },
    { cancel: 'ask_again', retry: 'not_parked', park: 'state_changed' },
  ],
  [
    'running before the pivot',
    { state: 'running' },
    { cancel: 'taken', retry: 'not_parked', park: 'taken' },
  ],
  [
    'running in a batch',
    { state: 'running', lane: 'batch' },
    { cancel: 'ask_again', retry: 'not_parked', park: 'ask_again' },
  ],
  [
    'running after the pivot',
    { state: 'running', pivotPassed: true },
    { cancel: 'past_pivot', retry: 'not_parked', park: 'taken' },
  ],
  [
    'parked after the pivot',
    { state: 'parked', pivotPassed: true, atRisk: [euros(1)] },
    { cancel: 'past_pivot', retry: 'taken', park: 'state_changed' },
  ],
  ['undoing', { state: 'undoing' }, { cancel: 'taken', retry: 'not_parked', park: 'taken' }],
  [
    'parked on the undo way',
    { state: 'parked', atRisk: [euros(1)] },
    { cancel: 'taken', retry: 'taken', park: 'state_changed' },
  ],
  [
    'compensated',
    { state: 'compensated' },
    { cancel: 'taken', retry: 'already_ended', park: 'already_ended' },
  ],
  [
    'completed',
    { state: 'completed' },
    { cancel: 'already_ended', retry: 'already_ended', park: 'already_ended' },
  ],
];

describe('steering by the state of a transaction', () => {
  it.each(table)('%s', async (_, row, expected) => {
    const { steering } = steeringOver(aRun(row));
    expect({
      cancel: await codeOf(steering.cancel(steer, null)),
      retry: await codeOf(steering.decide({ ...decide, decision: 'retry' })),
      park: await codeOf(steering.park(steer, undefined, 'Stuck for an hour.')),
    }).toEqual(expected);
  });

  it('asks the run itself only where it has something to decide', async () => {
    for (const run of [aRun({ state: 'undoing' }), anEndedRun('{}'), aRun({ state: 'parked' })]) {
      const { steering, updates } = steeringOver(run);
      await steering.cancel(steer, null);
      expect(updates).toEqual([]);
    }
  });

  it('names a decision by the parking that it decides: repeated it is the same, later it is another one', async () => {
    const parked = steeringOver(aRun({ state: 'parked', step: 'releaseStock', version: 12 }));
    await parked.steering.decide({ ...decide, decision: 'retry' });
    await parked.steering.decide({ ...decide, decision: 'retry', version: 12 });
    expect(parked.updates.map(([, , updateId]) => updateId)).toEqual([
      'resolve/12/releaseStock/retry',
      'resolve/12/releaseStock/retry',
    ]);
  });

  it.each([
    ['running', 'taken'],
    ['accepted', 'not_yet'],
    ['undoing', 'state_changed'],
    ['parked', 'state_changed'],
    ['completed', 'state_changed'],
    ['compensated', 'state_changed'],
  ] as const)('a decision on a review of a transaction that is %s: %s', async (state, expected) => {
    const { steering, updates } = steeringOver(aRun({ state }));
    const approve = { decision: 'approve', note: 'Known.' } as const;
    expect(await codeOf(steering.review(steer, approve, 'k'))).toBe(expected);
    const actor = { subject: 'alice' };
    const asked = ['order:acme.O-1', { ...approve, actor }, 'review/approve/k'];
    expect(updates).toEqual(expected === 'taken' ? [asked] : []);
  });

  it('a review sent again after its answer was lost is answered as taken, though the payment has ended by it', async () => {
    const names: unknown[] = [];
    const wasDecided = (_gid: string, name: string) => Promise.resolve(names.push(name) > 0);
    const { steering } = steeringOver(aRun({ state: 'completed' }), {}, {}, wasDecided);
    const approve = { decision: 'approve', note: 'Known.' } as const;
    expect(await codeOf(steering.review(steer, approve, 'k'))).toBe('taken');
    expect(names).toEqual(['review/approve/k']);
  });

  it('refuses a decision on a state that has passed', async () => {
    const { steering, updates } = steeringOver(aRun({ state: 'parked', version: 12 }));
    expect(await codeOf(steering.decide({ ...decide, decision: 'done', version: 11 }))).toBe(
      'state_changed',
    );
    expect(updates).toEqual([]);
  });

  const evidence = { kind: 'ticket', ref: 'OPS-1', note: null };
  it.each([
    ['reserveStock of a plan', { step: 'reserveStock' }, 'taken'],
    ['a step that moves money', { step: 'captureFunds' }, 'waits'],
    ['an unknown step with money at risk', { step: 'x', atRisk: [euros(1)] }, 'waits'],
    [
      'an unknown step with stock at risk',
      { step: 'x', atRisk: [{ kind: 'stock', sku: 'S', quantity: 1 }] },
      'taken',
    ],
  ] as const)('skips %s: %s', async (_, row, expected) => {
    const { steering, updates, wanted } = steeringOver(aRun({ state: 'parked', ...row }));
    expect(await codeOf(steering.decide({ ...decide, decision: 'skip', evidence }))).toBe(expected);
    expect(updates).toHaveLength(expected === 'taken' ? 1 : 0);
    expect(wanted.map(([, rule]) => rule)).toEqual(expected === 'taken' ? [] : ['skips_money']);
  });

  it.each([
    ['below it', [euros(999_999)], {}, 'taken'],
    ['at it', [euros(1_000_000)], {}, 'waits'],
    ['at it together', [euros(600_000), { ...euros(400_000), kind: 'captured' }], {}, 'waits'],
    ['below another one', [euros(5)], { EUR: 6 }, 'taken'],
    ['at another one', [euros(6)], { EUR: 6 }, 'waits'],
    ['of another currency', [euros(6)], { USD: 6 }, 'taken'],
    ['at one of several', [euros(5), { ...euros(6), currency: 'USD' }], { USD: 6 }, 'waits'],
    ['always', [euros(1)], { EUR: 0 }, 'waits'],
    ['of a currency that nobody has set', [{ ...euros(1), currency: 'CHF' }], {}, 'waits'],
    ['below one that was set', [{ ...euros(4), currency: 'CHF' }], { CHF: 5 }, 'taken'],
    ['always, without money', [{ kind: 'stock', sku: 'S', quantity: 1 }], { EUR: 0 }, 'waits'],
    ['never, without money', [{ kind: 'stock', sku: 'S', quantity: 1 }], { EUR: 1 }, 'taken'],
  ] as const)(
    'wants two persons for an amount at the threshold of its currency: %s',
    async (_, atRisk, thresholds, expected) => {
      const run = aRun({ state: 'parked', step: 'reserveStock', version: 12, atRisk });
      const { steering, updates, wanted } = steeringOver(run, thresholds);
      for (const decision of ['retry', 'done', 'skip'] as const)
        expect(await codeOf(steering.decide({ ...decide, decision, evidence }))).toBe(expected);
      expect(updates).toHaveLength(expected === 'taken' ? 3 : 0);
      const asked = {
        kind: 'decideStep',
        gid: run.gid,
        version: 12,
        step: 'reserveStock',
        evidence,
      };
      expect(wanted).toEqual(
        expected === 'taken'
          ? []
          : ['retry', 'done', 'skip'].map((decision) => [
              { ...asked, decision, atRisk },
              'amount_at_risk',
            ]),
      );
    },
  );

  it.each([
    ['a step that moves it', 'reserveRefund', [], 'waits'],
    ['a step that moves it, and as much is known', 'reserveRefund', [euros(5)], 'taken'],
    ['a step that moves none', 'completeRefund', [], 'taken'],
  ] as const)(
    'takes money of which nobody knows how much it is for any sum: %s',
    async (_, step, atRisk, expected) => {
      const run = aRun({ flow: 'refund', state: 'parked', step, atRisk });
      for (const decision of ['retry', 'done'] as const) {
        const { steering, wanted } = steeringOver(run);
        expect(await codeOf(steering.decide({ ...decide, decision, evidence }))).toBe(expected);
        expect(wanted.map(([, rule]) => rule)).toEqual(
          expected === 'taken' ? [] : ['amount_at_risk'],
        );
      }
    },
  );

  it.each<[string, Partial<RunRow>, string[]]>([
    ['by who started it', { requester: ['alice'] }, ['own_transaction']],
    ['by who made the key that started it', { requester: ['alice', 'shop'] }, ['own_transaction']],
    ['where nobody knows who started it', { requester: null }, ['own_transaction']],
    ['by another person', { requester: ['shop'] }, []],
    ['where a machine started it', { requester: [] }, []],
    ['of a switch of regions', { flow: 'failover', step: 'promoteRegion' }, ['moves_regions']],
    ['of a rejoin', { flow: 'failback', step: 'rebuildRegion' }, ['moves_regions']],
  ])('settles a step by hand with two persons, or one: %s', async (_, row, rules) => {
    const run = aRun({ state: 'parked', step: 'reserveStock', ...row });
    for (const decision of ['done', 'skip'] as const) {
      const { steering, wanted } = steeringOver(run);
      await steering.decide({ ...decide, decision, evidence });
      expect(wanted.map(([, rule]) => rule)).toEqual(rules);
    }
    const { steering, wanted } = steeringOver(run);
    await steering.decide({ ...decide, decision: 'retry' });
    expect(wanted).toEqual([]);
  });

  it.each([
    ['a step that is not parked', { step: 'banana' }, 'banana is not parked'],
    ['a step that was refused', { step: 'holdFunds' }, 'holdFunds is not parked'],
    [
      'what the step does not offer',
      { step: 'captureFunds' },
      'skip is no decision on captureFunds',
    ],
  ])('asks nobody for %s, and says what may be decided', async (_, more, why) => {
    const row = { state: 'parked', step: 'captureFunds', atRisk: [euros(9_000_000)] } as const;
    const { steering, wanted } = steeringOver(aRun(row), {}, { captureFunds: ['retry', 'done'] });
    const asked = steering.decide({ ...decide, decision: 'skip', evidence, ...more });
    await expect(asked).rejects.toMatchObject({
      code: 'decision_not_offered',
      message: `${why}. What may be decided: captureFunds: retry, done.`,
    });
    expect(wanted).toEqual([]);
  });

  it('asks nobody where the run is not parked any more, or does not answer', async () => {
    const row = { state: 'parked', step: 'captureFunds', atRisk: [euros(9_000_000)] } as const;
    const moved = steeringOver(aRun(row), {}, {});
    expect(await codeOf(moved.steering.decide({ ...decide, decision: 'retry' }))).toBe(
      'not_parked',
    );
    expect(moved.wanted).toEqual([]);
  });

  it.each([
    ['who started it', ['alice']],
    ['who made the key that started it', ['alice', 'shop']],
    ['whoever it may be, where nobody knows who started it', null],
  ])('refuses a review by %s', async (_, requester) => {
    const { steering, updates } = steeringOver(aRun({ flow: 'payment', requester }));
    const approve = { decision: 'approve', note: null } as const;
    const reviewed = steering.review(steer, approve, 'k');
    expect(await codeOf(reviewed)).toBe('second_person_required');
    expect(updates).toEqual([]);
  });

  it('asks for nobody where the decision would be refused anyway', async () => {
    const much = { step: 'captureFunds', version: 12, atRisk: [euros(9_000_000)] };
    for (const state of ['running', 'undoing', 'completed'] as const) {
      const { steering, wanted } = steeringOver(aRun({ state, ...much }));
      await codeOf(steering.decide({ ...decide, decision: 'retry' }));
      expect(wanted).toEqual([]);
    }
    const moved = steeringOver(aRun({ state: 'parked', ...much }));
    expect(await codeOf(moved.steering.decide({ ...decide, decision: 'retry', version: 11 }))).toBe(
      'state_changed',
    );
    expect(moved.wanted).toEqual([]);
  });
});

describe('steering a transaction of a batch', () => {
  const batch = 'batch/order/1';
  const inBatch = (more: Partial<RunRow> = {}) =>
    aRun({ lane: 'batch', owner: batch, step: 'releaseStock', ...more });

  /** @param after the row once the batch was asked. */
  function steeringAround(
    before: RunRow,
    after: RunRow,
    park: () => Promise<void> = () => Promise.resolve(),
  ) {
    const asked: string[] = [];
    const ask =
      (what: string, work = () => Promise.resolve()) =>
      (workflowId: string) => {
        asked.push(`${what} ${workflowId}`);
        return work();
      };
    const steering = createSteering({
      thresholds: thresholdsSchema.parse({}),
      now: Date.now,
      runs: {
        find: () => Promise.resolve(asked.length === 0 ? before : after),
        cancelUnsent: () => Promise.resolve(false),
      },
      temporal: {
        ...{ eject: ask('eject'), cancel: ask('cancel'), park: ask('park', park) },
        ...{ resolve: ask('resolve'), review: ask('review') },
        timeline: () => Promise.resolve(aTimeline({})),
        wasDecided: () => Promise.resolve(false),
      },
    });
    return { asked, steering };
  }
  const { gid } = steer;
  const left = ['eject batch/order/1', `cancel ${gid}`];

  it.each([
    ['goes on alone', aRun(), 'taken', left],
    ['is in its batch still', inBatch(), 'ask_again', left.slice(0, 1)],
    ['was decided meanwhile', inBatch({ pivotPassed: true }), 'past_pivot', left.slice(0, 1)],
    ['has ended there', inBatch({ state: 'completed' }), 'already_ended', left.slice(0, 1)],
    ['was undone there', inBatch({ state: 'compensated' }), 'taken', left.slice(0, 1)],
  ])('cancels it where it runs, once it has left: it %s', async (_, after, answer, calls) => {
    const { asked, steering } = steeringAround(inBatch(), after);
    expect(await codeOf(steering.cancel(steer, null))).toBe(answer);
    expect(asked).toEqual(calls);
  });

  it('makes nothing leave that a cancel would not change', async () => {
    for (const more of [
      { pivotPassed: true },
      { state: 'undoing' },
      { state: 'accepted' },
    ] as const) {
      const { asked, steering } = steeringAround(inBatch(more), aRun());
      await codeOf(steering.cancel(steer, null));
      expect(asked).toEqual([]);
    }
  });

  it('parks a step where it runs, and asks to come again while it has not failed there', async () => {
    const after = aRun({ step: 'releaseStock' });
    const parked = steeringAround(inBatch(), after);
    expect(await codeOf(parked.steering.park(steer, undefined, 'Stuck.'))).toBe('taken');
    expect(parked.asked).toEqual(['eject batch/order/1', `park ${gid}`]);
    const notStuck = () => Promise.reject(new Problem('state_changed'));
    const early = steeringAround(inBatch(), after, notStuck);
    expect(await codeOf(early.steering.park(steer, undefined, 'Stuck.'))).toBe('ask_again');
    const alone = steeringAround(after, after, notStuck);
    expect(await codeOf(alone.steering.park(steer, undefined, 'Stuck.'))).toBe('state_changed');
    const inside = steeringAround(inBatch(), inBatch());
    expect(await codeOf(inside.steering.park(steer, undefined, 'Stuck.'))).toBe('ask_again');
  });

  it('takes no decision and no review before its row says that it has left', async () => {
    const parked = steeringAround(inBatch({ state: 'parked' }), aRun());
    const retry = parked.steering.decide({ ...decide, decision: 'retry' }, () =>
      Promise.reject(new Error('Nobody is asked.')),
    );
    expect(await codeOf(retry)).toBe('ask_again');
    const running = steeringAround(inBatch({ flow: 'payment', requester: ['shop'] }), aRun());
    const approve = { decision: 'approve', note: null } as const;
    expect(await codeOf(running.steering.review(steer, approve, 'k'))).toBe('not_yet');
    expect([parked.asked, running.asked]).toEqual([[], []]);
  });
});

describe('a decision that a second person has approved', () => {
  const { action } = anApproval();
  if (action.kind !== 'decideStep') throw new Error('It is a decision.');
  const approved = {
    ...{ id: 'Q-1', tenant: 'acme', askedBy: 'alice', askedPeople: ['alice'], approvedBy: 'bob' },
    action,
  };

  function steeringWhere(run: RunRow, wasDecided: boolean) {
    const updates: unknown[][] = [];
    const nothing = () => Promise.resolve();
    const steering = createSteering({
      thresholds: thresholdsSchema.parse({}),
      now: Date.now,
      runs: { find: () => Promise.resolve(run), cancelUnsent: () => Promise.resolve(true) },
      temporal: {
        ...{ cancel: nothing, eject: nothing, park: nothing, review: nothing },
        timeline: () => Promise.resolve(undefined),
        wasDecided: () => Promise.resolve(wasDecided),
        resolve: (...args) => {
          updates.push(args);
          return Promise.resolve();
        },
      },
    });
    return { updates, decision: codeOf(steering.decideApproved(approved)) };
  }

  it('goes to the run under the name of the approval, with both persons', async () => {
    const { updates, decision } = steeringWhere(aRun({ state: 'parked' }), false);
    expect(await decision).toBe('taken');
    const { step, decision: said, evidence } = action;
    const consent = { kind: 'approved', by: 'bob', approval: 'Q-1' };
    expect(updates).toEqual([
      [
        action.gid,
        { step, decision: said, evidence, actor: { subject: 'alice' }, consent },
        'approval/Q-1',
      ],
    ]);
  });

  it.each([
    ['the version has moved', { state: 'parked', version: 4 }],
    ['it is not parked any more', { state: 'undoing' }],
    ['it has ended', { state: 'compensated', endedAt: new Date() }],
  ] as const)('is void where %s, unless that is its own doing', async (_, row) => {
    const moved = steeringWhere(aRun(row), false);
    expect(await moved.decision).toBe('state_changed');
    const own = steeringWhere(aRun(row), true);
    expect(await own.decision).toBe('taken');
    expect([moved.updates, own.updates]).toEqual([[], []]);
  });
});
