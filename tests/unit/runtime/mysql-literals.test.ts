import { describe, expect, it } from '@jest/globals';

import { formatStatement } from '../../../runtime/mysql/literals';

const literal = (value: unknown): string => formatStatement('?', [value]);

describe('a value in SQL', () => {
  it.each<readonly [unknown, string]>([
    ["'OR(1=1)#", `'''OR(1=1)#'`],
    ["it's", `'it''s'`],
    ['line\nbreak "quoted"', `'line\nbreak "quoted"'`],
    ['ends in \\', `_utf8mb4 X'656e647320696e205c'`],
    ["\\' OR 1=1 -- ", `_utf8mb4 X'5c27204f5220313d31202d2d20'`],
    ['with \0', `_utf8mb4 X'776974682000'`],
    ['ü', `'ü'`],
    ['', `''`],
    [7, '7'],
    [-0.5, '-0.5'],
    [9_007_199_254_740_993n, '9007199254740993'],
    [true, 'TRUE'],
    [null, 'NULL'],
    [undefined, 'NULL'],
    [new Date('2026-01-02T03:04:05.678Z'), `'2026-01-02 03:04:05.678'`],
    [Buffer.from([0, 0x5c, 0x27]), `X'005c27'`],
    [['a', "b'"], `'a', 'b'''`],
    [
      [
        [1, 'a'],
        [2, null],
      ],
      `(1, 'a'), (2, NULL)`,
    ],
  ])('%j is a literal that reads the same in every sql_mode', (value, written) => {
    expect(literal(value)).toBe(written);
  });

  it.each([[NaN], [Infinity], [{ toSqlString: () => '1=1' }], [{ a: 1 }], [[]], [() => 1]])(
    '%p is refused: SQL has no literal for it',
    (value) => {
      expect(() => literal(value)).toThrow(TypeError);
    },
  );

  it('stands where its placeholder does, and nowhere else', () => {
    const sql = 'SELECT \'?\', `?`, ? -- why?\n /* ? */ FROM t WHERE a = ? AND b = "?"';
    expect(formatStatement(sql, ['x?', 2])).toBe(
      "SELECT '?', `?`, 'x?' -- why?\n /* ? */ FROM t WHERE a = 2 AND b = \"?\"",
    );
  });

  it.each([
    ['SELECT ?', [1, 2]],
    ['SELECT ?, ?', [1]],
  ])('%s is refused with %j: one value for each placeholder', (sql, values) => {
    expect(() => formatStatement(sql, values)).toThrow(TypeError);
  });
});
