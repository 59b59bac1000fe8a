import { describe, expect, it } from '@jest/globals';

import { createSteering } from '../../../api/steering';
import type { RunRow } from '../../../api/stores/runs-store';
import { aRun, anEndedRun } from './fake-api';

function steeringOver(run: RunRow) {
  const updates: unknown[][] = [];
  const update = (...args: unknown[]) => {
    updates.push(args);
    return Promise.resolve();
  };
  const steering = createSteering({
    runs: { find: () => Promise.resolve(run), cancelUnsent: () => Promise.resolve(true) },
    temporal: {
      cancel: update,
      resolve: update,
      park: update,
      review: update,
      timeline: () => Promise.resolve(undefined),
    },
  });
  return { steering, updates };
}

const steer = { tenant: 'acme', gid: 'order:acme.O-1', subject: 'alice' };
const decide = { ...steer, step: undefined, version: undefined, evidence: null };
const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'taken',
    (error: unknown) => (error as { code: string }).code,
  );

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
    { cancel: 'ask_again', retry: 'not_parked', park: 'taken' },
  ],
  [
    'running after the pivot',
    { state: 'running', pivotPassed: true },
    { cancel: 'past_pivot', retry: 'not_parked', park: 'taken' },
  ],
  [
    'parked after the pivot',
    { state: 'parked', pivotPassed: true },
    { cancel: 'past_pivot', retry: 'taken', park: 'state_changed' },
  ],
  ['undoing', { state: 'undoing' }, { cancel: 'taken', retry: 'not_parked', park: 'taken' }],
  [
    'parked on the undo way',
    { state: 'parked' },
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
    ['accepted', 'state_changed'],
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

  it('refuses a decision on a state that has passed', async () => {
    const { steering, updates } = steeringOver(aRun({ state: 'parked', version: 12 }));
    expect(await codeOf(steering.decide({ ...decide, decision: 'done', version: 11 }))).toBe(
      'state_changed',
    );
    expect(updates).toEqual([]);
  });

  it.each([
    ['releaseStock of a plan', { step: 'reserveStock' }, 'taken'],
    ['a step that moves money', { step: 'captureFunds' }, 'second_person_required'],
    [
      'an unknown step with money at risk',
      { step: 'x', atRisk: [{ kind: 'hold', currency: 'EUR', minorUnits: 1 }] },
      'second_person_required',
    ],
    [
      'an unknown step with stock at risk',
      { step: 'x', atRisk: [{ kind: 'stock', sku: 'S', quantity: 1 }] },
      'taken',
    ],
  ] as const)('skips %s: %s', async (_, row, expected) => {
    const { steering } = steeringOver(aRun({ state: 'parked', ...row }));
    const evidence = { kind: 'ticket', ref: 'OPS-1', note: null };
    expect(await codeOf(steering.decide({ ...decide, decision: 'skip', evidence }))).toBe(expected);
    expect(await codeOf(steering.decide({ ...decide, decision: 'done', evidence }))).toBe('taken');
  });
});
