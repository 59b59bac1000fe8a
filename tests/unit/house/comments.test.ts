/** Comments of shipped code are plain sentences: each has a subject. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

const root = join(__dirname, '..', '..', '..');
const rooms = [
  'activities',
  'api',
  'contracts',
  'invariants',
  'package',
  'runtime',
  'scripts',
  'testing',
  'workers',
  'workflows',
];

/** A sentence such as "Of the hub." or "Of several at once exactly one succeeds." leaves its subject out. */
const withoutSubject = /(?:\/\*\*|^\s*\*|(?<!:)\/\/)(?: | .*[.:] )Of /;
const sourcesOf = (room: string): readonly string[] =>
  execFileSync('git', ['ls-files', `${room}/**.ts`], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');

describe('comments', () => {
  it.each(rooms)('in %s begin no sentence with "Of"', (room) => {
    const files = sourcesOf(room);
    expect(files.length).toBeGreaterThan(5);
    const found = files.flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .filter((line) => withoutSubject.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });
});
