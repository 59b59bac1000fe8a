import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from '@jest/globals';

const root = join(__dirname, '..', '..', '..');
const rooms = [
  'activities',
  'api',
  'invariants',
  'contracts',
  'runtime',
  'scripts',
  'testing',
  'workers',
  'workflows',
];

/** Statements are built for MySQL, not for people. */
const areStatements = /^testing\/bench\//;
/** A sum of minor units inside of a text: `${asked} ${currency}`, `${minorUnits}`, `${coupon.discountMinor}`. */
const inSentence =
  /\$\{(?:[\w.]+\.)?(?:minorUnits|\w+_minor|\w+Minor|amount|balance|held)\}|\$\{minor\}|\$\{[\w.]+\} \$\{(?:[\w.]+\.)?(?:\w+_)?currency\}/;

it('no text for people prints an amount but by moneyText and decimalOf', () => {
  const files = execFileSync('git', ['ls-files', ...rooms.map((room) => `${room}/**.ts`)], {
    cwd: root,
    encoding: 'utf8',
  });
  const found = files
    .trim()
    .split('\n')
    .filter((file) => !areStatements.test(file))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .filter((line) => inSentence.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});
