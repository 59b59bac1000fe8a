import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isDeepStrictEqual } from 'node:util';

import { leavesOf } from '../../../api/http/json-pointer';
import { Problem } from '../../../api/http/errors';
import { depthMax, membersMax, parseJson, type JsonValue } from '../../../api/http/json-text';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
const refuses = (text: string | Uint8Array): boolean => {
  try {
    parseJson(typeof text === 'string' ? bytes(text) : text);
    return false;
  } catch (error) {
    return error instanceof Problem && error.code === 'malformed_body';
  }
};

const isSameAsJson = (text: string): boolean =>
  isDeepStrictEqual(parseJson(bytes(text)), JSON.parse(text));
/** The same text, each unit of it written as an escape. */
const escapedUnits = (text: string): string =>
  text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Values that a body may bear. */
const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

describe('the scanner of bodies', () => {
  it('takes what JSON.stringify writes, however it is indented, and changes nothing', () => {
    fc.assert(
      fc.property(value, fc.nat(4), (given, indent) => {
        const text = JSON.stringify(given, undefined, indent);
        expect(parseJson(bytes(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses or parses whatever comes, and never fails in another way', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '"a"',
      '1',
      '-',
      '.',
      'e',
      'true',
      ' ',
      '\\u',
      'ü',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => {
        const text = parts.join('');
        expect(refuses(text) || isSameAsJson(text)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses every body with a member twice, wherever it is and however it is written', () => {
    fc.assert(
      fc.property(fc.string(), value, value, (name, first, second) => {
        const quoted = JSON.stringify(name);
        const escaped = `"${escapedUnits(name)}"`;
        const members = `${quoted}:${JSON.stringify(first)},${escaped}:${JSON.stringify(second)}`;
        expect(refuses(`[{"x y":{${members}}}]`)).toBe(true);
      }),
    );
  });

  it.each(['1.5', '1e3', '9007199254740992', '-9007199254740993', '1E-2', '0.0', '1e999'])(
    'refuses the number %s, which would lose digits or is none of ours',
    (number) => expect(refuses(`{"amount":${number}}`)).toBe(true),
  );

  it.each(['9007199254740991', '-9007199254740991', '0', '-7'])('takes the number %s', (number) => {
    expect(parseJson(bytes(number))).toBe(Number(number));
  });

  it.each(['"\\ud800"', '"\\udc00x"', '{"\\ud800":1}'])(
    'refuses the lone surrogate of %s',
    (text) => {
      expect(refuses(text)).toBe(true);
    },
  );

  it('refuses bytes that are not UTF-8, and a byte order mark', () => {
    expect(refuses(Uint8Array.of(0x22, 0xff, 0x22))).toBe(true);
    expect(refuses(Uint8Array.of(0xef, 0xbb, 0xbf, 0x31))).toBe(true);
  });

  it('bounds depth and members, and says no more than that', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(refuses(nested(depthMax))).toBe(false);
    expect(refuses(nested(depthMax + 1))).toBe(true);
    expect(refuses(nested(200_000))).toBe(true);
    expect(refuses(JSON.stringify(Array.from({ length: membersMax + 2 }, () => 0)))).toBe(true);
    expect(refuses('{"__proto__":{}}')).toBe(true);
  });

  it.each(['"\\"'.repeat(22_000), '"'.repeat(65_535), '\\"'.repeat(32_000), '"\\'.repeat(32_000)])(
    'is done in linear time with a body made to be slow',
    (text) => {
      const began = performance.now();
      expect(refuses(text)).toBe(true);
      expect(performance.now() - began).toBeLessThan(500);
    },
  );
});

describe('a pointer', () => {
  it('names each leaf by its pointer', () => {
    expect(leavesOf({ a: [1, { 'b/c': 2 }], '~': [], n: null })).toEqual([
      ['/a/0', 1],
      ['/a/1/b~1c', 2],
      ['/~0', []],
      ['/n', null],
    ]);
  });
});
