import { describe, expect, it } from '@jest/globals';

import {
  isAnotherPerson,
  isSameSubject,
  peopleBehind,
  whyNotAnother,
} from '../../../api/http/people';

describe('who stands behind a credential', () => {
  it('is whom it speaks for, who made it, and who made the key that it was made with', () => {
    const first = peopleBehind('bob', peopleBehind('alice'));
    expect(first).toEqual(['alice', 'bob']);
    expect(peopleBehind('robot', first)).toEqual(['alice', 'bob', 'robot']);
  });

  it('is one person however the name is written, and whoever made the own key', () => {
    expect(peopleBehind('Alice', ['ALICE', ' alice '])).toEqual(['alice']);
    expect(isSameSubject('Alice', 'alice')).toBe(true);
  });

  it('is unknown for good where a maker is', () => {
    expect(peopleBehind('robot', peopleBehind('bob', null))).toBeNull();
  });

  it('is not more than a few', () => {
    const many = Array.from({ length: 16 }, (_, at) => `person-${at}`);
    expect(() => peopleBehind('one-more', many)).toThrow();
    expect(peopleBehind('person-3', many)).toHaveLength(16);
  });
});

describe('another person', () => {
  it.each([
    ['has no name in common', ['alice'], ['bob', 'carol'], true],
    ['is not behind both', ['alice', 'bob'], ['bob', 'carol'], false],
    ['is anybody to a machine', ['alice'], [], true],
    ['is not known as one', null, ['bob'], false],
    ['is not known to be another one', ['alice'], null, false],
    ['is not told from one that nobody knows', null, null, false],
  ])('%s', (_, one, other, expected) => {
    expect([isAnotherPerson(one, other), isAnotherPerson(other, one)]).toEqual([
      expected,
      expected,
    ]);
  });

  it('is told who it is not', () => {
    expect(whyNotAnother(['alice', 'bob'], ['alice', 'robot'], 'robot has asked for it')).toBe(
      'robot has asked for it; alice stands behind that and behind this credential. Another person is needed.',
    );
  });
});
