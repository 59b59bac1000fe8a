import { stripVTControlCharacters } from 'node:util';

import { describe, expect, it } from '@jest/globals';

import { tableOf } from '../../../scripts/report';

/** Without what a terminal does not show. */
const shown = stripVTControlCharacters;

const id = '01M8PN20VR87XHZPW44YW39TJ9';
const sentence = 'Somebody has to look at what this run has left in the books of its participants.';

describe('a table of a report', () => {
  it('fits 80 columns, and breaks sentences before it breaks an id', () => {
    const text = shown(tableOf(['key', 'what', 'n'], [[id, `${sentence} ${sentence}`, 7]]));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text).toContain(`${id}  `);
  });

  it('cuts nothing, also of a word that is longer than a line', () => {
    const word = 'x'.repeat(100);
    const text = shown(tableOf(['key', 'what'], [[word, sentence]]));
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(text.match(/x/g)).toHaveLength(100);
  });
});
