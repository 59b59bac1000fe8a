/** What the documents point to, compared with what is there; and that the README stays short. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { describe, expect, it } from '@jest/globals';

const checkout = join(__dirname, '..', '..', '..');
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(checkout, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
];
const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');

/** As GitHub makes the anchor of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

const anchorsOf = (text: string): readonly string[] => [
  ...[...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading)),
  ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id),
];

const isBroken = (document: string, target: string): boolean => {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? document : join(dirname(document), path);
  if (!existsSync(join(checkout, file))) return true;
  return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
};

describe('documents', () => {
  it.each(documents)('%s points to files and headings that are there', (document) => {
    const targets = [...read(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(
      ([, target = '']) => target,
    );
    expect(targets.filter((target) => isBroken(document, target))).toEqual([]);
  });

  it('can all be reached from the README', () => {
    const reached = new Set(['README.md']);
    for (const document of reached) {
      for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:)([^)#\s]+)/g)) {
        const file = join(dirname(document), target);
        if (file.endsWith('.md') && existsSync(join(checkout, file))) reached.add(file);
      }
    }
    const pages = documents.filter((document) => dirname(document) === 'docs');
    expect(
      pages.filter((page) => !reached.has(page)).map((page) => relative('docs', page)),
    ).toEqual([]);
  });
});

describe('README.md', () => {
  it('is read in a few minutes, and says how to test', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(150);
    expect(read('README.md')).toContain('npm test');
  });
});
