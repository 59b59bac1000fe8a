import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { contentHashOf, dividing, sortedSet } from '../../../../activities/fence/fenced-set';

describe('a set on its way to the fence', () => {
  it('is sorted as MySQL compares its keys, byte by byte', () => {
    const keys = ['order:acme.b/x', 'order:acme.B/x', 'order:acme.b/X', 'order:acme.b-1/x'];
    const sorted = sortedSet(keys.map((key) => ({ key, minEpoch: 0 }))).map(({ key }) => key);
    expect(sorted).toEqual([
      'order:acme.B/x',
      'order:acme.b/X',
      'order:acme.b/x',
      'order:acme.b-1/x',
    ]);
  });

  it('is divided until culprits stand alone, whatever their number and place', async () => {
    const members = fc.uniqueArray(fc.nat(400), { minLength: 2, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(members, fc.integer({ min: 2, max: 9 }), async (set, divisor) => {
        const isCulprit = (member: number) => member % divisor === 0;
        const committed: number[] = [];
        const answers = await dividing(
          set,
          (part) => {
            if (part.some(isCulprit)) return Promise.reject(new Error('content'));
            committed.push(...part);
            return Promise.resolve(part.map((member) => `ok ${member}`));
          },
          () => true,
          (culprit) => `blamed ${culprit}`,
        );
        expect(answers).toEqual(
          set.map((member) => `${isCulprit(member) ? 'blamed' : 'ok'} ${member}`),
        );
        expect([...committed].sort()).toEqual(set.filter((member) => !isCulprit(member)).sort());
      }),
    );
  });

  it('is not divided for a failure that passes, nor for one of the infrastructure', async () => {
    const calls: number[] = [];
    const once = await dividing(
      [1, 2, 3],
      (part) => {
        calls.push(part.length);
        return calls.length === 1 ? Promise.reject(new Error('content')) : Promise.resolve(part);
      },
      () => true,
      () => 0,
    );
    expect({ once, calls }).toEqual({ once: [1, 2, 3], calls: [3, 3] });
    const away = dividing(
      [1, 2],
      () => Promise.reject(new Error('away')),
      () => false,
      () => 0,
    );
    await expect(away).rejects.toThrow('away');
  });

  it('throws the failure of a set of one instead of blaming it', async () => {
    const alone = dividing(
      [1],
      () => Promise.reject(new Error('content')),
      () => true,
      () => 0,
    );
    await expect(alone).rejects.toThrow('content');
  });

  it('has one hash for equal content in whatever order its keys stand, and another for other content', () => {
    const hash = contentHashOf({ a: 1, b: { c: [1, 2], d: null } });
    expect(contentHashOf({ b: { d: null, c: [1, 2] }, a: 1 })).toEqual(hash);
    expect(contentHashOf({ a: 1, b: { c: [2, 1], d: null } })).not.toEqual(hash);
  });

  it('has the hash that stored rows bear', () => {
    expect(contentHashOf({ b: { d: null, e: undefined, c: [1, 2] }, a: 1 }).toString('hex')).toBe(
      '6146dd4938e3bf91d7c43fbcd7072936d0fc295ac5f55e80da21fad03fa23831',
    );
  });
});
