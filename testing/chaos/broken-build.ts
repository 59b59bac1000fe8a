/**
 * A build with one planted bug: what production runs, with one module replaced by its broken twin. Shipped code has no
 * switch for a protection, so the twin is brought in from outside: into a process by a preload, into the workflows by
 * the bundle.
 */
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { Build } from '../environment/application';
import { build, compile } from '../environment/build';
import { checkout } from '../stack/config';
import { breaks, twinOf, type BreakName } from './breaks';
import { writeBundleWith, type Substitute } from './bundle-with';

/** Made anew each time, from today's sources. @returns what an application runs instead of the shipped build. */
export const brokenBuild = (name: BreakName): Promise<Build> =>
  buildWithTwin(name, { target: breaks[name].target, twin: twinOf(name) });

/** @param name of its folder. */
export async function buildWithTwin(name: string, { target, twin }: Substitute): Promise<Build> {
  await build();
  const folder = join(checkout, '.accord', 'breaks', name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  cpSync(join(checkout, 'dist'), folder, { recursive: true });
  if (target.startsWith('workflows/')) {
    await writeBundleWith(join(folder, 'workflow-bundle.js'), { target, twin });
    return { folder, nodeArguments: [] };
  }
  if (!existsSync(join(folder, `${target}.js`))) throw new Error(`There is no module ${target}.`);
  await compile(`${twin}.ts`, folder);
  const preload = join(folder, 'preload.cjs');
  writeFileSync(preload, preloadOf(target, twin));
  return { folder, nodeArguments: ['--require', preload] };
}

/** Every import of the target gets the twin, except in the twin itself, which may use the target. */
const preloadOf = (target: string, twin: string): string => `'use strict';
const Module = require('node:module');
const { join } = require('node:path');
const target = join(__dirname, ${JSON.stringify(`${target}.js`)});
const twin = join(__dirname, ${JSON.stringify(`${twin}.js`)});
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, parent, ...rest) {
  const file = resolve.call(this, request, parent, ...rest);
  return file === target && parent?.filename !== twin ? twin : file;
};
`;
