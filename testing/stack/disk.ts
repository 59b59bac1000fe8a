/** What a disk that takes no more means for a command, as one sentence that says what to do. */
import { statfsSync } from 'node:fs';

/** A server that starts on less fails in words of its own, minutes later. */
const leastBytes = 32 * 1024 * 1024;

const writing = new Set([
  'open',
  'mkdir',
  'write',
  'fsync',
  'rename',
  'link',
  'ftruncate',
  'copyfile',
]);

const again = 'then run the command again.';
const sentences: Readonly<Record<string, (where: string) => string>> = {
  ENOSPC: (where) => `The disk ${where} is full: free some space there, ${again}`,
  EDQUOT: (where) =>
    `The quota of this user on the disk ${where} is used up: free some space there, ${again}`,
  EROFS: (where) => `The disk ${where} is mounted read-only: make it writable, ${again}`,
  EACCES: (where) =>
    `This user may not write on the disk ${where}: give the folder to this user, ${again}`,
};

/** What MySQL and other servers write where the disk is full; of any language, for `lc_messages` is set. */
const fullText =
  /No space left on device|OS errno 28|Disk quota exceeded|\bENOSPC\b|writing partial data failed|Failed to set size/;
/** ER_DISK_FULL and ER_RECORD_FILE_FULL. */
const fullErrnos: readonly unknown[] = [1021, 1114];

/** @returns undefined: the error is about something else. Looked at is also what has caused it. */
export function diskSentence(error: unknown): string | undefined {
  for (let one = error; isObject(one); one = one['cause']) {
    const { code, syscall, path, errno, message } = one;
    if (fullErrnos.includes(errno) || (isMySql(one) && fullText.test(String(message))))
      return `The disk of MySQL is full (${String(message)}): free some space where its data stand, ${again}`;
    const sentence = sentences[String(code)];
    if (sentence && writing.has(String(syscall)))
      return sentence(typeof path === 'string' ? `of ${path}` : 'of this checkout');
    if (Array.isArray(one['errors'])) {
      const found = one['errors'].map(diskSentence).find((text) => text !== undefined);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** A server that does not start. @returns undefined: there is room in its folder, and it complained of nothing else. */
export function fullFolder(folder: string, failure: string, title: string): string | undefined {
  if (!fullText.test(failure) && bytesLeft(folder) >= leastBytes) return undefined;
  return `${title} does not start, for the disk of ${folder} is full: free some space there, ${again}`;
}

function bytesLeft(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Infinity; // The size is unknown.
  }
}

const isMySql = (error: Readonly<Record<string, unknown>>): boolean => 'sqlState' in error;

/** Not `instanceof Error`: under Jest the file system's errors come from another realm. */
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
