/** What production runs: `dist/`, made anew when a source has changed since. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { transformFile } from '@swc/core';
import { z } from 'zod';

import { runCommand } from '../stack/command';
import { checkout } from '../stack/config';
import { withLock } from '../stack/lock';

const buildConfigFile = 'tsconfig.build.json';
const buildConfigSchema = z.object({ include: z.array(z.string()).min(1) });
/** What else decides how the output looks. */
const alsoDecisive = [
  '.swcrc',
  'package-lock.json',
  buildConfigFile,
  'testing/environment/build.ts',
  'scripts/bundle-workflows.ts',
];
const stampFile = join(checkout, 'dist', '.sources');
const bundleWithinMs = 120_000;

/**
 * Builds `dist/` unless it is of these sources already: the code file by file, the workflows as one bundle. Types are
 * not checked here, `npm run check` does that once. Safe to repeat, and for two processes at once.
 *
 * @returns whether there was something to build.
 */
export async function build(): Promise<boolean> {
  return withLock(join(checkout, '.accord', 'build.lock'), async () => {
    const sources = sourcesOf(shippedFolders());
    const hash = hashOf([...sources, ...alsoDecisive]);
    if (readStamp() === hash) return false;
    const bundle = runCommand(
      process.execPath,
      ['--import', 'tsx', 'scripts/bundle-workflows.ts'],
      {
        cwd: checkout,
        timeoutMs: bundleWithinMs,
      },
    );
    await Promise.all([bundle, ...sources.map((source) => compile(source))]);
    removeStale(sources, shippedFolders());
    writeFileSync(stampFile, hash); // Last: what was interrupted is built again.
    return true;
  });
}

/**
 * Removes the output of sources that are gone. Node would load `flows.js` of an earlier build in the place of today's
 * `flows/index.js`.
 *
 * @param folders of the sources, whose output is looked at.
 */
export function removeStale(
  sources: readonly string[],
  folders: readonly string[],
  output = join(checkout, 'dist'),
): void {
  const known = new Set(sources.map((source) => source.replace(/\.ts$/, '.js')));
  const built = folders
    .filter((folder) => existsSync(join(output, folder)))
    .flatMap((folder) =>
      readdirSync(join(output, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
        join(folder, file),
      ),
    );
  for (const file of built)
    if (file.endsWith('.js') && !known.has(file)) rmSync(join(output, file));
}

function shippedFolders(): readonly string[] {
  const text = readFileSync(join(checkout, buildConfigFile), 'utf8');
  return buildConfigSchema.parse(JSON.parse(text)).include;
}

function sourcesOf(folders: readonly string[]): readonly string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts'))
        .map((file) => join(folder, file)),
    )
    .sort();
}

function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(checkout, file)));
  return hash.digest('hex');
}

function readStamp(): string | undefined {
  try {
    return readFileSync(stampFile, 'utf8');
  } catch {
    return undefined; // Never built here.
  }
}

/** @param source from the checkout. @param folder of a build; the output stands in it as the source stands in the checkout. */
export async function compile(source: string, folder = join(checkout, 'dist')): Promise<void> {
  const { code } = await transformFile(join(checkout, source), {
    cwd: checkout,
    module: { type: 'commonjs', ignoreDynamic: true }, // `import()` stays: it is how an ES module is loaded.
    sourceMaps: 'inline',
  });
  const target = join(folder, source.replace(/\.ts$/, '.js'));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}
