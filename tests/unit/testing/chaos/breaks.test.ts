import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { breakNames, breaks, twinOf } from '../../../../testing/chaos/breaks';

const root = join(__dirname, '..', '..', '..', '..');

/** What a module gives to those who import it; its types are none of it. */
const namesOf = async (path: string): Promise<readonly string[]> =>
  Object.keys((await import(join(root, path))) as object).sort();

describe('planted bugs', () => {
  it('are all in the table, and each of the table is planted', () => {
    const files = readdirSync(join(root, 'testing/chaos/breaks')).map((file) =>
      basename(file, '.ts'),
    );
    expect(files.sort()).toEqual([...breakNames].sort());
  });

  it.each(breakNames)('%s gives what the module gives whose place it takes', async (name) => {
    const { target, caughtBy } = breaks[name];
    const names = await namesOf(target);
    expect(names).not.toEqual([]);
    expect(await namesOf(twinOf(name))).toEqual(names);
    expect(caughtBy).not.toEqual([]);
  });
});
