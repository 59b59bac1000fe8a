import { describe, expect, it } from '@jest/globals';

import { disorderOf, scheduledOf } from '../../../../testing/chaos/undo-order';

const gid = 'order:acme.1';
const calls = (...lines: readonly (readonly [activity: string, step: string])[]) =>
  lines.map(([activity, step]) => ({ activity, key: `${gid}/${step}` }));

const acts = [
  ['inventory.reserveStock', 'reserveStock'],
  ['accounts.holdFunds', 'holdFunds'],
  ['orders.createOrder', 'createOrder'],
] as const;

describe('the order of undos', () => {
  it('is the reverse of the acts, whatever is asked again', () => {
    const scheduled = calls(
      ...acts,
      ['orders.createOrder', 'createOrder'],
      ['accounts.sealBranch', 'captureFunds'],
      ['orders.cancelOrder', 'createOrder'],
      ['accounts.releaseFunds', 'holdFunds'],
      ['orders.cancelOrder', 'createOrder'],
      ['inventory.releaseStock', 'reserveStock'],
    );
    expect(disorderOf(scheduled)).toBeUndefined();
  });

  it('is never that of the story', () => {
    const scheduled = calls(
      ...acts,
      ['inventory.releaseStock', 'reserveStock'],
      ['accounts.releaseFunds', 'holdFunds'],
    );
    expect(disorderOf(scheduled)).toContain(`${gid}/holdFunds, ${gid}/reserveStock`);
  });

  it('says nothing of what was never begun here, nor of a transaction that was not undone', () => {
    expect(disorderOf(calls(...acts))).toBeUndefined();
    const recalled = calls(
      ['inventory.reserveStock', 'reserveStock'],
      ['accounts.releaseFunds', 'holdFunds'],
      ['inventory.releaseStock', 'reserveStock'],
    );
    expect(disorderOf(recalled)).toBeUndefined();
  });
});

it('reads from a history what its workflow has asked for, and passes over what has no step key', () => {
  const asked = (name: string, input: unknown) => ({
    eventId: '5',
    eventType: 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED',
    activityTaskScheduledEventAttributes: {
      activityId: '1',
      activityType: { name },
      input: { payloads: [{ data: Buffer.from(JSON.stringify(input)).toString('base64') }] },
    },
  });
  const events = [
    { eventId: '1', eventType: 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED' },
    asked('acquireLock', { kind: 'customer', id: 'acme.C-1', gid }),
    asked('accounts.holdFunds', [{ key: `${gid}/holdFunds`, minEpoch: 1 }]),
  ];
  expect(scheduledOf({ events })).toEqual(calls(['accounts.holdFunds', 'holdFunds']));
});
