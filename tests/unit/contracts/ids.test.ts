import { flowNames, shopFlowNames } from '../../../contracts/flows';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import {
  businessIdOf,
  eventIdOf,
  gidLengthMax,
  gidOf,
  partsOfBusinessId,
  partsOfGid,
  partsOfStepKey,
  referencePattern,
  stepKeyOf,
} from '../../../contracts/engine/ids';
import {
  failoverTaskQueue,
  taskQueueOf,
  transactionsTaskQueue,
} from '../../../contracts/engine/task-queues';

const tenant = fc.stringMatching(/^[a-z0-9]{1,16}$/);
const reference = fc.stringMatching(/^[A-Za-z0-9._~-]{1,64}$/);
const flow = fc.constantFrom(...flowNames);
const branch = fc.stringMatching(/^[A-Za-z0-9-]{1,64}$/);

describe('an id', () => {
  it('goes there and back: business id, gid and step key', () => {
    fc.assert(
      fc.property(tenant, reference, flow, branch, (t, r, f, b) => {
        const businessId = businessIdOf(t, r);
        const gid = gidOf(f, businessId);
        expect(partsOfBusinessId(businessId)).toEqual({ tenant: t, id: r });
        expect(partsOfGid(gid)).toEqual({ flow: f, businessId });
        expect(partsOfStepKey(stepKeyOf(gid, b))).toEqual({ gid, branch: b });
      }),
    );
  });

  it('of two different transactions or branches is never the same key', () => {
    const parts = fc.tuple(flow, tenant, reference, branch);
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        const keyOf = ([f, t, r, b]: typeof one) => stepKeyOf(gidOf(f, businessIdOf(t, r)), b);
        expect(keyOf(one)).not.toBe(keyOf(other));
      }),
    );
  });

  it.each([
    '',
    'order',
    'order:',
    'order:acme',
    'order:acme.',
    'order:Acme.O-1',
    'order:acme.O 1',
    'order:acme.O-1 ',
    'order:acme.O/1',
    'Order:acme.O-1',
    'an-order:acme.O-1',
    `${'o'.repeat(15)}:acme.O-1`,
    `order:acme.${'x'.repeat(gidLengthMax)}`,
  ])('is no gid: %j', (text) => {
    expect(partsOfGid(text)).toBeUndefined();
  });

  it.each(['order:acme.O-1', 'order:acme.O-1/', '/step', 'order:acme.O-1/a b', 'acme.O-1/step'])(
    'is no step key: %j',
    (text) => {
      expect(partsOfStepKey(text)).toBeUndefined();
    },
  );

  it('of an event names its effect, and changes only with it', () => {
    expect(eventIdOf('order:acme.O-1', 'reserveStock', 'act', 1)).toBe(
      'order:acme.O-1/reserveStock/act/1',
    );
  });
});

describe('a reference', () => {
  it.each(['.', '..'])('is none, since no URL could name it: %j', (text) => {
    expect(referencePattern.test(text)).toBe(false);
  });

  it.each(['...', '.a', 'a.', '-', '~', 'O-1.2'])('comes back from a URL as it was: %j', (text) => {
    expect(referencePattern.test(text)).toBe(true);
    expect(new URL(`http://accord.test/v1/orders/${text}`).pathname).toBe(`/v1/orders/${text}`);
  });
});

describe('a flow', () => {
  it('is run in the hub where operators move regions, and by the transaction workers everywhere else', () => {
    expect(flowNames.filter((name) => taskQueueOf(name) === failoverTaskQueue)).toEqual([
      'failover',
      'failback',
    ]);
    expect(shopFlowNames.map(taskQueueOf)).toEqual(shopFlowNames.map(() => transactionsTaskQueue));
  });
});
