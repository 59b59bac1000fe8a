import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { withoutFolder } from '../../../package/commands/record-history';
import { writeWholeOnce } from '../../../runtime/whole-file';
import { enterHash, hashListOf, whatWasTouched } from '../../../testing/replay/hash-list';

describe('a recording', () => {
  it('has its checksum beside its folder, also where the folder is given with a slash', () => {
    const above = mkdtempSync(join(tmpdir(), 'accord-hash-list-'));
    try {
      const folder = join(above, 'histories');
      mkdirSync(folder);
      writeFileSync(join(folder, 'one.json'), '{}');
      enterHash(`${folder}/`, 'one.json');
      expect(hashListOf(`${folder}//`)).toBe(`${folder}.sha256`);
      expect(whatWasTouched(folder)).toEqual([]);
    } finally {
      rmSync(above, { recursive: true });
    }
  });

  it('is written whole, and never over another', () => {
    const folder = mkdtempSync(join(tmpdir(), 'accord-recording-'));
    try {
      const file = join(folder, 'one.json');
      writeWholeOnce(file, 'first');
      expect(() => writeWholeOnce(file, 'second')).toThrow('EEXIST');
      expect(readFileSync(file, 'utf8')).toBe('first');
      expect(readdirSync(folder)).toEqual(['one.json']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names no folder of the machine, and keeps its addresses where that is the root', () => {
    const text = 'at /app/src/flow.ts, see https://example.com//x';
    expect(withoutFolder(text, '/app')).toBe('at src/flow.ts, see https://example.com//x');
    expect(withoutFolder(text, '/')).toBe(text);
  });
});
