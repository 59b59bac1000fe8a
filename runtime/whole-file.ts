import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/**
 * Writes a file that is whole or as it was before, also after a loss of power: its content is on the disk before it gets
 * its name.
 */
export function writeWhole(file: string, text: string, mode = 0o600): void {
  const unfinished = `${file}.new`;
  const handle = openSync(unfinished, 'w', mode);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw Object.assign(error as Error, { path: file }); // An error about a handle names no file.
  } finally {
    closeSync(handle);
  }
  renameSync(unfinished, file);
}

export const writeJson = (file: string, value: unknown, mode?: number): void =>
  writeWhole(file, `${JSON.stringify(value, undefined, 2)}\n`, mode);
