import { mkdtempSync, openSync, readdirSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { diskSentence, fullFolder } from '../../../../testing/stack/disk';
import { writeWhole } from '../../../../runtime/whole-file';

const failureOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};
const again = 'then run the command again.';

describe('a disk that takes no more', () => {
  it('is named by the file that was to be written, and nothing half is left', () => {
    const folder = mkdtempSync(join(tmpdir(), 'accord-disk-'));
    try {
      const file = join(folder, 'stack.json');
      symlinkSync('/dev/full', `${file}.new`); // Linux answers every write to it as a full disk does.
      expect(diskSentence(failureOf(() => writeWhole(file, '{}')))).toBe(
        `The disk of ${file} is full: free some space there, ${again}`,
      );
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is said also of an error that names no file, and of what has caused another error', () => {
    const error = failureOf(() => writeSync(openSync('/dev/full', 'w'), 'x'));
    const wrapped = new Error('MySQL is missing.', { cause: new AggregateError([error]) });
    expect(diskSentence(wrapped)).toBe(
      `The disk of this checkout is full: free some space there, ${again}`,
    );
  });

  it.each([
    ['EROFS', 'is mounted read-only'],
    ['EDQUOT', 'The quota of this user'],
    ['EACCES', 'This user may not write'],
  ])('is told apart from other reasons: %s', (code, sentence) => {
    const error = Object.assign(new Error(code), { code, syscall: 'mkdir', path: '/data/.accord' });
    expect(diskSentence(error)).toContain(sentence);
    expect(diskSentence(error)).toContain('/data/.accord');
    expect(diskSentence(Object.assign(error, { syscall: 'listen' }))).toBeUndefined();
  });

  it.each([
    [1021, 'Disk full (/data/#sql1); waiting for someone to free some space...'],
    [1114, "The table 'fence' is full"],
    [1026, "Error writing file './binlog.1' (OS errno 28 - No space left on device)"],
    [3, "Fehler beim Schreiben der Datei './t.ibd' (OS errno 28 - No space left on device)"],
  ])('is what MySQL means by error %s', (errno, message) => {
    const error = Object.assign(new Error(message), { errno, sqlState: 'HY000' });
    expect(diskSentence(error)).toBe(
      `The disk of MySQL is full (${message}): free some space where its data stand, ${again}`,
    );
    const other = Object.assign(new Error('Duplicate entry'), { errno: 1062, sqlState: '23000' });
    expect(diskSentence(other)).toBeUndefined();
  });

  it('is why a server does not start whose log says so, and no other one', () => {
    const log = "MySQL ended by itself. … Error number 28 means 'No space left on device'";
    expect(fullFolder(tmpdir(), log, 'MySQL')).toBe(
      `MySQL does not start, for the disk of ${tmpdir()} is full: free some space there, ${again}`,
    );
    expect(fullFolder('/nowhere', 'MySQL ended by itself.', 'MySQL')).toBeUndefined();
  });

  it('is believed of a server whose half-made data are cleared away by the time of the look', () => {
    // Only the last lines of the log are kept. Among them only these name the cause.
    for (const line of [
      '0 [Warning] [MY-012638] [InnoDB] Retry attempts for writing partial data failed.',
      '0 [ERROR] [MY-012888] [InnoDB] Cannot resize redo log file ./#ib_redo2_tmp to 3 MB (Failed to set size)',
    ])
      expect(fullFolder(tmpdir(), line, 'MySQL')).toContain('is full');
  });
});
