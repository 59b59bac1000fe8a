import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { bundleOf } from '../../../package/bundle';
import { checkout } from '../../../testing/stack/config';

const withinMs = 120_000;

describe('the bundle of a project', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const write = (name: string, text: string): void => writeFileSync(at(name), text);
  /** A file that is written in the same tick of the clock may have been written while it was bundled. */
  const isOfThisTick = (name: string): boolean => Date.now() - lstatSync(at(name)).ctimeMs < 20;
  const written = async (name: string, text: string): Promise<void> => {
    write(name, text);
    while (isOfThisTick(name)) await immediate();
  };
  const bundled = () => bundleOf(at('workflows.js'), at('kept/bundle.js'));

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'accord-bundle-'));
    symlinkSync(join(checkout, 'node_modules'), at('node_modules')); // The bundler needs Temporal's.
    write('workflows.js', "exports.stay = async () => require('./rooms');");
    await written('rooms.js', "module.exports = 'room one';");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it(
    'is kept as long as nothing has changed that it was made from, and made anew afterwards',
    async () => {
      const first = await bundled();
      expect(first.isNew).toBe(true);
      write('databases.env', 'a file that no workflow imports');
      expect(await bundled()).toEqual({ code: first.code, isNew: false });

      await written('rooms.js', "module.exports = 'room two';");
      const second = await bundled();
      expect(second.isNew).toBe(true);
      expect(second.code).toContain('room two');

      await written('rooms.ts', "module.exports = 'room three';"); // The bundler takes it before rooms.js.
      const third = await bundled();
      expect(third.isNew).toBe(true);
      expect(third.code).toContain('room three');

      writeFileSync(at('kept/bundle.js'), readFileSync(at('kept/bundle.js'), 'utf8').slice(0, -9));
      expect(await bundled()).toEqual({ code: third.code, isNew: true });
      rmSync(at('kept/bundle.js.json'));
      expect((await bundled()).isNew).toBe(true);
    },
    withinMs,
  );

  it(
    'is not kept where a file has changed or come while it was made',
    async () => {
      for (const change of [
        () => write('rooms.js', "module.exports = 'room two';"),
        () => write('rooms.ts', "module.exports = 'room three';"),
      ]) {
        const old = bundled();
        await immediate();
        change();
        await old;
        expect(existsSync(at('kept/bundle.js.json'))).toBe(false);
      }
    },
    withinMs,
  );

  it(
    'may be read by every user: one may build what another runs',
    async () => {
      await bundled();
      const forOthers = (name: string): number => statSync(at(name)).mode & 0o055;
      expect(['kept', 'kept/bundle.js', 'kept/bundle.js.json'].map(forOthers)).toEqual([
        0o055, 0o044, 0o044,
      ]);
    },
    withinMs,
  );

  it(
    'is made at each start where it cannot be kept',
    async () => {
      write('kept', 'a file where the folder should be');
      expect((await bundled()).isNew).toBe(true);
      expect((await bundled()).isNew).toBe(true);
    },
    withinMs,
  );
});
