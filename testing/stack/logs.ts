import { closeSync, openSync, readSync, statSync } from 'node:fs';

import { composeLogs } from './docker';
import { lastLogLines, logFileOf } from './process';
import { folderOf, readStackFile, type Profile, type ServerName } from './profile';
import { contextOf } from './stack';
import { pause } from '../../runtime/waiting';

const linesShown = 50;
const lookEveryMs = 300;

/** Prints the last lines of each server's log; with `isFollowing` it goes on until the process ends. */
export async function showLogs(
  profile: Profile,
  names: readonly ServerName[],
  isFollowing: boolean,
): Promise<void> {
  const print = names.length === 1 ? printPlain : printNamed;
  await Promise.all(
    names.map((name) => {
      const line = (text: string): void => print(name, text);
      return readStackFile(profile).servers[name]?.source === 'docker'
        ? containerLog(profile, name, line, isFollowing)
        : fileLog(profile, name, line, isFollowing);
    }),
  );
}

async function containerLog(
  profile: Profile,
  name: ServerName,
  line: (text: string) => void,
  isFollowing: boolean,
): Promise<void> {
  await composeLogs(name, contextOf(profile), line, isFollowing);
}

async function fileLog(
  profile: Profile,
  name: ServerName,
  line: (text: string) => void,
  isFollowing: boolean,
): Promise<void> {
  const file = logFileOf(folderOf(profile), name);
  let position = sizeOf(file);
  for (const text of lastLogLines(folderOf(profile), name, linesShown)) line(text);
  while (isFollowing) {
    await pause(lookEveryMs);
    const size = sizeOf(file);
    if (size < position) position = 0; // A new file: the old one had grown too long.
    if (size === position) continue;
    for (const text of textBetween(file, position, size).trimEnd().split('\n')) line(text);
    position = size;
  }
}

function textBetween(file: string, from: number, to: number): string {
  const buffer = Buffer.alloc(to - from);
  const handle = openSync(file, 'r');
  try {
    readSync(handle, buffer, 0, buffer.length, from);
  } finally {
    closeSync(handle);
  }
  return buffer.toString('utf8');
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

const printPlain = (_name: ServerName, text: string): void => console.log(text);

const printNamed = (name: ServerName, text: string): void =>
  console.log(`${name.padEnd(8)} | ${text}`);
