/** One language: what the glossary says once, and what the documents say no more. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

const checkout = join(__dirname, '..', '..', '..');
const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');
/** The glossary names neighbours. */
const excepted = ['glossary.md'];
const pages = [
  ...['README.md', 'CONTRIBUTING.md'],
  ...readdirSync(join(checkout, 'docs'))
    .filter((name) => name.endsWith('.md') && !excepted.includes(name))
    .map((name) => join('docs', name)),
];

/** Words of the first language of this house; each has a standard one in the glossary. */
const replaced =
  /\b(stor(y|ies)|tellings?|told again|oracles?|patience|burnt|unburnt|trials?|glimpses?|judgements?|strikes?)\b/gi;

/** Without code, the names of files, and what links point to. */
const proseOf = (text: string): string => text.replace(/```[^]*?```|`[^`\n]*`|\]\([^)]*\)/g, ' ');

describe('docs/glossary.md', () => {
  it('gives each word once', () => {
    const rows = [...read('docs/glossary.md').matchAll(/^\| (.*?) \|/gm)].map(
      ([, cell = '']) => cell,
    );
    const words = rows.flatMap((cell) => cell.match(/(?<=\*\*)[^*]+(?=\*\*)/g) ?? []);
    const spoken = words.filter((word) => word !== ', ').map((word) => word.replace(/`/g, ''));
    expect(spoken.length).toBeGreaterThan(50);
    expect(spoken.filter((word, at) => spoken.indexOf(word) !== at)).toEqual([]);
  });
});

describe('documents', () => {
  it.each(pages)('%s says nothing in words that the glossary has replaced', (page) => {
    expect(proseOf(read(page)).match(replaced) ?? []).toEqual([]);
  });
});
