import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { z } from 'zod';

import { isAlive, startTimeOf } from './process';
import { pause } from '../../runtime/waiting';

const holderSchema = z.object({ pid: z.number(), startTime: z.string(), token: z.string() });
type Holder = z.infer<typeof holderSchema>;

/**
 * Runs `work` while no other process holds the lock file. A holder that died is passed over, and so is a file that
 * names none: it was whole when it was linked, so a loss of power has emptied it. Not re-entrant: two calls in one
 * process take turns as well.
 *
 * @param onWait called once, with the holder's pid, when somebody else is at work; what it throws ends the wait.
 */
export async function withLock<Result>(
  file: string,
  work: () => Promise<Result>,
  onWait: (pid: number) => void = () => undefined,
): Promise<Result> {
  mkdirSync(dirname(file), { recursive: true });
  const mine: Holder = {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    token: randomUUID(),
  };
  let hasToldWait = false;
  // Without a bound: the holder is alive, works under deadlines of its own, and Ctrl-C ends the wait.
  while (!take(file, mine)) {
    const holder = read(file);
    if (holder === undefined ? existsSync(file) : !isAlive(holder.pid, holder.startTime)) {
      passOver(file, holder);
      continue;
    }
    if (holder !== undefined && !hasToldWait) {
      hasToldWait = true;
      onWait(holder.pid);
    }
    await pause(100);
  }
  try {
    return await work();
  } finally {
    if (read(file)?.token === mine.token) rmSync(file, { force: true });
  }
}

// A link to a complete file: a process that sees the lock sees its holder, too.
function take(file: string, mine: Holder): boolean {
  const written = `${file}.${mine.token}`;
  writeFileSync(written, JSON.stringify(mine));
  try {
    linkSync(written, file);
    return true;
  } catch (error) {
    if (isTaken(error)) return false;
    throw error;
  } finally {
    rmSync(written, { force: true });
  }
}

// Not `instanceof Error`: under Jest the file system's errors come from another realm.
function isTaken(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'EEXIST';
}

// Moved aside before it is dropped: a lock taken in this moment by a third party is put back.
function passOver(file: string, dead: Holder | undefined): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // Somebody else was quicker.
  }
  if (read(aside)?.token !== dead?.token) {
    try {
      linkSync(aside, file);
    } catch {
      // Taken again already.
    }
  }
  rmSync(aside, { force: true });
}

function read(file: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}
