import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { join, relative } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { breaks, twinOf } from '../../../testing/chaos/breaks';
import { brokenBuild } from '../../../testing/chaos/broken-build';

const buildWithinMs = 120_000;

/** Modules that are loaded for the one that is asked for, in their order, in a process as an application runs it. */
function loadedFor(target: string, folder: string, nodeArguments: readonly string[]): string[] {
  const asked = `const before = Object.keys(require.cache).length;
    require(${JSON.stringify(join(folder, target))});
    process.stdout.write(JSON.stringify(Object.keys(require.cache).slice(before)));`;
  const loaded = execFileSync(process.execPath, [...nodeArguments, '-e', asked], {
    encoding: 'utf8',
  });
  return (JSON.parse(loaded) as string[]).map((file) =>
    relative(realpathSync(folder), file).replace(/\.js$/, ''),
  );
}

describe('a build with a planted bug', () => {
  it(
    'gives whoever imports the module its twin, and the twin the module itself',
    async () => {
      const { folder, nodeArguments } = await brokenBuild('stock-drift');
      const { target } = breaks['stock-drift'];
      const sound = loadedFor(target, folder, []);
      expect(sound[0]).toBe(target);
      expect(loadedFor(target, folder, nodeArguments)).toEqual([twinOf('stock-drift'), ...sound]);
    },
    buildWithinMs,
  );

  it(
    'bundles workflows with the twin of one of their modules',
    async () => {
      const { folder, nodeArguments } = await brokenBuild('undo-order');
      const bundle = readFileSync(join(folder, 'workflow-bundle.js'), 'utf8');
      expect(nodeArguments).toEqual([]);
      for (const module of [breaks['undo-order'].target, twinOf('undo-order')]) {
        expect(bundle).toContain(`./${module}.ts`);
      }
    },
    buildWithinMs,
  );
});
