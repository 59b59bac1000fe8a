import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { cacheFolder } from './config';
import { withLock } from './lock';
import type { Progress } from './progress';

/**
 * The folder of a tool that is fetched or built once for all checkouts. `build` fills a temporary
 * folder, which gets its name at the end: a folder that is there is whole. Two checkouts that need
 * the same tool build it once; the second waits.
 */
export async function cached(
  name: string,
  progress: Progress,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), name);
  if (existsSync(folder)) return folder;
  const lockFile = `${folder}.lock`;
  const sayWaiting = (pid: number): void => {
    // Two servers of one tree ask in the same process: nothing to tell.
    if (pid !== process.pid)
      progress.say(`Another process (${pid}) is fetching ${name}: waiting for it.`);
  };
  return withLock(lockFile, () => buildOnce(folder, name, build), sayWaiting);
}

async function buildOnce(
  folder: string,
  name: string,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  if (existsSync(folder)) return folder;
  dropUnfinished(name);
  const unfinished = `${folder}.tmp-${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    await build(unfinished);
    renameSync(unfinished, folder);
    return folder;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

// Left by an interrupted build. Under the lock no other process writes there.
function dropUnfinished(name: string): void {
  for (const entry of readdirSync(cacheFolder()))
    if (entry.startsWith(`${name}.tmp-`))
      rmSync(join(cacheFolder(), entry), { recursive: true, force: true });
}
