/**
 * The workflow code of a project as one file, which workers and replay load. It is kept in `.accord/`, and made anew as
 * soon as anything that it was made from has changed: a bundle that is out of date is never loaded.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, relative } from 'node:path';

import { bundleWorkflowCode, type BundleOptions } from '@temporalio/worker';
import bundlerPackage from '@temporalio/worker/package.json';
import { z } from 'zod';

import { writeJson, writeWhole } from '../runtime/whole-file';

/** All that the bundler has looked at: where none of it has changed, it would make the same bundle. */
const manifestSchema = z.strictObject({
  versions: z.string(),
  /** SHA-256 of the bundle. */
  bundle: z.string(),
  /**
   * By path from the folder of the bundle: SHA-256 of a file; of the names in a folder, with a slash behind it; where
   * another folder leads, which was passed on the way to a file.
   */
  read: z.record(z.string(), z.string()),
  /** Paths where nothing was: what comes there might take the place of another file. */
  missing: z.array(z.string()),
});
type Manifest = Readonly<z.infer<typeof manifestSchema>>;

/** The bundler decides what a bundle is, and Node how it works. */
const versions = `${bundlerPackage.version} ${process.version}`;

export interface Bundled {
  readonly code: string;
  /** It was made now; otherwise it was kept. */
  readonly isNew: boolean;
}

/**
 * Safe for several processes at once. Where the folder cannot be written, or a file has changed while it was bundled,
 * nothing is kept.
 *
 * @param kept where the bundle is kept; its manifest stands beside it.
 * @throws where the bundler refuses a module, such as one that imports Node.
 */
export async function bundleOf(workflowsPath: string, kept: string): Promise<Bundled> {
  const code = currentCode(workflowsPath, kept);
  if (code !== undefined) return { code, isNew: false };
  const since = Date.now() - tickMs;
  const made = await bundle(workflowsPath);
  if (!isChangedSince(since, made)) keep(kept, made.code, manifestFor(workflowsPath, kept, made));
  return { code: made.code, isNew: true };
}

/** The same as a file. @returns `target`. @throws also where it cannot be written. */
export async function bundleTo(workflowsPath: string, target: string): Promise<string> {
  const { code } = await bundleOf(workflowsPath, target);
  if (textOf(target) === code) return target;
  mkdirSync(dirname(target), { recursive: true });
  writeWhole(target, code, readableByAll);
  return target;
}

/** From its folder; the slash of a folder stays. */
const pathFrom =
  (kept: string) =>
  (path: string): string =>
    relative(dirname(kept), path) + (path.endsWith('/') ? '/' : '');

const manifestOf = (kept: string): string => `${kept}.json`;

/** @returns undefined where there is none, or anything that it was made from has changed. */
function currentCode(workflowsPath: string, kept: string): string | undefined {
  const manifest = readManifest(kept);
  const code = textOf(kept);
  if (!manifest || code === undefined) return undefined;
  const at = (path: string): string => `${dirname(kept)}/${path}`;
  const isCurrent =
    manifest.versions === versions &&
    manifest.bundle === hashOf(code) &&
    pathFrom(kept)(workflowsPath) in manifest.read &&
    manifest.missing.every((path) => !existsSync(at(path))) &&
    Object.entries(manifest.read).every(([path, hash]) => hashAt(at(path)) === hash);
  return isCurrent ? code : undefined;
}

function readManifest(kept: string): Manifest | undefined {
  try {
    return manifestSchema.parse(JSON.parse(textOf(manifestOf(kept)) ?? ''));
  } catch {
    return undefined; // None, or a damaged one: the bundle is made anew.
  }
}

interface Made {
  readonly code: string;
  readonly read: readonly string[];
  readonly missing: readonly string[];
}

function manifestFor(workflowsPath: string, kept: string, { code, read, missing }: Made): Manifest {
  const from = pathFrom(kept);
  const hashes = [workflowsPath, ...read].map((path) => [from(path), hashAt(path)] as const);
  return {
    ...{ versions, bundle: hashOf(code) },
    read: Object.fromEntries(hashes.filter((each): each is [string, string] => Boolean(each[1]))),
    missing: missing.filter((path) => !existsSync(path)).map(from),
  };
}

/** Files are hashed after the bundler has read them: one that has changed meanwhile may be in the bundle as it was. */
const isChangedSince = (since: number, { read, missing }: Made): boolean =>
  read.some((path) => !isEntry(path) && (changedAt(path) ?? Infinity) >= since) ||
  missing.some((path) => (changedAt(path) ?? 0) >= since);

/** The kernel may give a file the time of its last tick. */
const tickMs = 10;

/** The bundler's own entry stands in memory alone: it follows from the path of the workflows and from its version. */
const isEntry = (path: string): boolean => path.endsWith('-autogenerated-entrypoint.cjs');

/** @returns milliseconds since 1970; undefined where nothing stands there. */
function changedAt(path: string): number | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return undefined;
  // What others write into a folder on the way to a file changes nothing.
  if (found.isDirectory() && !path.endsWith('/')) return found.birthtimeMs;
  return Math.max(found.mtimeMs, found.ctimeMs);
}

/** Whoever runs the worker of an image reads what another user has built. */
const readableByAll = 0o644;

/** The manifest last: without it, or with one of another bundle, a bundle is not loaded. */
function keep(kept: string, code: string, manifest: Manifest): void {
  try {
    mkdirSync(dirname(kept), { recursive: true });
    writeWhole(kept, code, readableByAll);
    writeJson(manifestOf(kept), manifest, readableByAll);
  } catch {
    // The folder cannot be written, or the disk is full: the next start makes it again.
  }
}

async function bundle(workflowsPath: string): Promise<Made> {
  const quiet = (): void => undefined; // The bundler tells of every module; only its warnings matter.
  const logger = { ...console, trace: quiet, debug: quiet, info: quiet, log: quiet };
  const read = new Set<string>();
  const missing = new Set<string>();
  const webpackConfigHook: BundleOptions['webpackConfigHook'] = (config) => ({
    ...config,
    plugins: [
      ...(config.plugins ?? []),
      {
        apply: (compiler) =>
          compiler.hooks.done.tap('accord', ({ compilation }) => {
            for (const path of compilation.fileDependencies) read.add(path);
            for (const path of compilation.contextDependencies) read.add(`${path}/`);
            for (const path of compilation.missingDependencies) missing.add(path);
          }),
      },
    ],
  });
  const { code } = await bundleWorkflowCode({ workflowsPath, logger, webpackConfigHook });
  return { code, read: [...read].sort(), missing: [...missing].sort() };
}

const hashOf = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

/** @returns undefined where nothing stands there. */
function hashAt(path: string): string | undefined {
  try {
    if (path.endsWith('/')) return hashOf(readdirSync(path).sort().join('\n'));
    const found = lstatSync(path);
    // The file that a link leads to is read under its own name, too.
    if (found.isSymbolicLink()) return hashOf(readlinkSync(path));
    return hashOf(found.isDirectory() ? '' : readFileSync(path));
  } catch {
    return undefined;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
