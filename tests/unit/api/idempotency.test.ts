import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { createCursors } from '../../../api/http/cursor';
import { differingFields, fingerprintOf, idempotencyKeyOf } from '../../../api/http/idempotency';
import { preferenceOf } from '../../../api/http/preference';

describe('the idempotency key', () => {
  const keyIn = (...values: string[]) =>
    idempotencyKeyOf(values.flatMap((value) => ['Idempotency-Key', value]));

  it('is the same in quotes and bare, for every visible ASCII text', () => {
    const visible = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 1,
      maxLength: 255,
    });
    fc.assert(
      fc.property(
        visible.filter((key) => !/[",\\]/.test(key)),
        (key) => {
          expect(keyIn(key)).toBe(key);
          expect(keyIn(`"${key}"`)).toBe(key);
        },
      ),
    );
  });

  it('is one: two lines are refused although Node would join them', () => {
    expect(() => keyIn('a', 'b')).toThrow(
      expect.objectContaining({ code: 'idempotency_key_invalid' }),
    );
    expect(() => keyIn()).toThrow(expect.objectContaining({ code: 'idempotency_key_missing' }));
  });
});

describe('the fingerprint', () => {
  it('does not know the order of members, and knows everything else', () => {
    const first = fingerprintOf({}, { a: 1, b: { c: 'x' } }, 'secret');
    expect(fingerprintOf({}, { b: { c: 'x' }, a: 1 }, 'secret').digest).toEqual(first.digest);
    expect(fingerprintOf({ id: 'other' }, { a: 1, b: { c: 'x' } }, 'secret').digest).not.toEqual(
      first.digest,
    );
  });

  it('names what was changed, added and left out, and tells no value', () => {
    const { fields } = fingerprintOf({}, { same: 1, changed: 'A-1', gone: true }, 'secret');
    const now = fingerprintOf({}, { same: 1, changed: 'A-2', added: [] }, 'secret').fields;
    expect(differingFields(fields, now)).toEqual([
      { pointer: '/added', code: 'differs', message: 'was not in the first request' },
      { pointer: '/changed', code: 'differs', message: 'differs from the first request' },
      { pointer: '/gone', code: 'differs', message: 'was in the first request' },
    ]);
    expect(JSON.stringify(fields)).not.toContain('A-1');
    expect(fingerprintOf({}, { changed: 'A-1' }, 'other secret').fields['/changed']).not.toBe(
      fields['/changed'],
    );
  });
});

describe('a cursor', () => {
  const cursors = createCursors('secret');
  const bound = { list: 'transactions', tenant: 'acme' };

  it('comes back as it went, for the list that it was made for', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.string(), (at, id) => {
        expect(cursors.decode(cursors.encode({ at, id }, bound), bound)).toEqual({ at, id });
      }),
    );
  });

  it('is refused once a character of it is changed, cut off or added', () => {
    const cursor = cursors.encode({ at: 1, id: 'order:acme.O-1' }, bound);
    const invalid = expect.objectContaining({ code: 'cursor_invalid' });
    fc.assert(
      fc.property(fc.nat(cursor.length - 2), fc.constantFrom('A', 'z', '', '.'), (at, other) => {
        const forged = cursor.slice(0, at) + other + cursor.slice(at + 1);
        fc.pre(forged !== cursor);
        expect(() => cursors.decode(forged, bound)).toThrow(invalid);
      }),
    );
  });

  it('is refused for another tenant, another filter, and by a server with another secret', () => {
    const cursor = cursors.encode({ at: 1, id: 'x' }, bound);
    const invalid = expect.objectContaining({ code: 'cursor_invalid' });
    expect(() => cursors.decode(cursor, { ...bound, tenant: 'globex' })).toThrow(invalid);
    expect(() => createCursors('other').decode(cursor, bound)).toThrow(invalid);
  });
});

describe('the preference to wait', () => {
  it.each([
    ['wait=5', 5],
    ['wait=99', 30],
    ['respond-async, wait=0', 0],
    ['wait="7"; until=ending', 7],
    ['awaits=3', undefined],
    [undefined, undefined],
  ])('%s means %s seconds', (prefer, seconds) => {
    expect(preferenceOf(prefer).seconds).toBe(seconds);
  });

  it.each([
    ['wait=5', 'decided', 'wait=5'],
    ['wait=5, until=ending', 'ending', 'wait=5, until=ending'],
    ['wait=99; until="ending"', 'ending', 'wait=30, until=ending'],
    ['until=Ending', 'ending', 'until=ending'],
    ['wait=5, lane=single', 'decided', 'wait=5, lane=single'],
    [undefined, 'decided', undefined],
  ])('%s waits until it is %s, and says %s of it', (prefer, until, applied) => {
    expect(preferenceOf(prefer)).toMatchObject({ until, applied });
  });

  it.each([
    ['wait=-1', 'wait=N'],
    ['wait=1.5', 'wait=N'],
    ['wait', 'wait=N'],
    ['respond-async, wait=soon', 'wait=N'],
    ['wait=5, until=tomorrow', 'until=ending'],
    ['lane=batch', 'lane=single'],
  ])('%s is refused by name, and the form %s is told', (prefer, form) => {
    expect(() => preferenceOf(prefer)).toThrow(
      expect.objectContaining({ code: 'invalid_request', message: expect.stringContaining(form) }),
    );
  });
});
