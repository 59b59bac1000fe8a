import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

/**
 * Writes a file that is whole or as it was before, also after a loss of power: its content is on the disk before it gets
 * its name.
 */
export function writeWhole(file: string, text: string, mode = 0o600): void {
  renameSync(unfinished(file, text, mode), file);
}

/** The same for a file that is not there yet. @throws EEXIST where it is: it stays as it was. */
export function writeWholeOnce(file: string, text: string, mode = 0o600): void {
  const written = unfinished(file, text, mode);
  try {
    linkSync(written, file);
  } finally {
    rmSync(written, { force: true });
  }
}

/** @returns the name of the content until it gets its own. */
function unfinished(file: string, text: string, mode: number): string {
  const name = `${file}.new`;
  const handle = openSync(name, 'w', mode);
  try {
    writeFileSync(handle, text); // All of it, or an error: a single write may be short where the disk is almost full.
    fsyncSync(handle);
  } catch (error) {
    rmSync(name, { force: true });
    throw Object.assign(error as Error, { path: file }); // An error about a handle names no file.
  } finally {
    closeSync(handle);
  }
  return name;
}

export const writeJson = (file: string, value: unknown, mode?: number): void =>
  writeWhole(file, `${JSON.stringify(value, undefined, 2)}\n`, mode);
