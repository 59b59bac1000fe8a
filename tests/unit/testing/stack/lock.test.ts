import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { withLock } from '../../../../testing/stack/lock';

describe('a lock file', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'accord-lock-'));
    file = join(folder, 'a.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['', '{"pid":12', '{}'])(
    'that names no holder is passed over, and not waited for without end: %j',
    async (text) => {
      writeFileSync(file, text);
      await expect(withLock(file, () => Promise.resolve('done'))).resolves.toBe('done');
      expect(readdirSync(folder)).toEqual([]);
    },
  );

  it('that is held refuses whoever will not wait, and stays with its holder', async () => {
    await withLock(file, async () => {
      const refused = withLock(
        file,
        () => Promise.resolve(),
        (pid) => {
          throw new Error(`held by ${pid}`);
        },
      );
      await expect(refused).rejects.toThrow(`held by ${process.pid}`);
      expect(existsSync(file)).toBe(true);
    });
    expect(existsSync(file)).toBe(false);
  });
});
