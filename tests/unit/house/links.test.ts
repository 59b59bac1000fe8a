/** What the documents point to, compared with what is there; and that the README stays short. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';

import { order } from '../../../contracts/flows/order';

const checkout = join(__dirname, '..', '..', '..');
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(checkout, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
];
/** Those that speak of today; a decision speaks of its day. */
const pages = documents.filter((document) => !/^docs.decisions|^CHANGELOG/.test(document));
const isThere = (path: string): boolean => existsSync(join(checkout, path));
const folders = readdirSync(checkout, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')));
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
  if (!isThere(file)) return true;
  return anchor !== undefined && !anchorsOf(read(file)).includes(anchor);
};

describe('documents', () => {
  it.each(documents)('%s points to files and headings that are there', (document) => {
    const targets = [...read(document).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(
      ([, target = '']) => target,
    );
    expect(targets.filter((target) => isBroken(document, target))).toEqual([]);
  });

  it.each(pages)('%s names commands and files that are there', (page) => {
    const text = read(page);
    const commands = [...text.matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g)].map(
      ([, name = '']) => name,
    );
    const paths = [...text.matchAll(/`([\w-]+\/[\w./-]+)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => folders.includes(path.split('/')[0] ?? ''));
    expect(commands.filter((name) => !(name in scripts))).toEqual([]);
    expect(
      paths.filter((path) => !['', '.ts', '.test.ts'].some((end) => isThere(path + end))),
    ).toEqual([]);
  });

  it('can all be reached from the README', () => {
    const reached = new Set(['README.md']);
    for (const document of reached) {
      for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:)([^)#\s]+)/g)) {
        const file = join(dirname(document), target);
        if (file.endsWith('.md') && isThere(file)) reached.add(file);
      }
    }
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });
});

describe('the saga that is shown', () => {
  it.each(['README.md', 'docs/coming-from.md'])('has the steps of the flow order: %s', (page) => {
    const shown = [
      ...read(page).matchAll(/^\s*(\w+): (\w+)\((\w+\.\w+), \{ (undo|seal): (\w+\.\w+) \}\)/gm),
    ].map(([, name, wording, act, way, back]) => ({ name, wording, act, [String(way)]: back }));
    const declared = Object.entries(order.steps).map(([name, { wording, act, undo, seal }]) => ({
      name,
      wording,
      act: act.type,
      ...(undo && { undo: undo.type }),
      ...(seal && { seal: seal.type }),
    }));
    expect(shown.length).toBe(3);
    expect(declared).toEqual(expect.arrayContaining(shown));
  });
});

describe('README.md', () => {
  it('is read in a few minutes, and says how to test', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(150);
    expect(read('README.md')).toContain('npm test');
  });
});
