import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import packageJson from '../../../../package.json';
import { eventually } from '../../../support/eventually';

const scripts = join(__dirname, '..', '..', '..', '..', 'scripts');

describe('a command that is told to stop', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'accord-stop-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a program by npm, in a group of its own, by the line that `npm start` has. */
  async function begin(wait: string) {
    const [begun, program] = [join(folder, 'begun'), join(folder, 'stay.ts')];
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs';
       import { interruption, stopSignal } from ${JSON.stringify(join(scripts, '..', 'testing', 'environment', 'interruption.ts'))};
       setInterval(() => {}, 1_000);
       const end = () => setTimeout(() => {
         writeFileSync(${JSON.stringify(join(folder, 'ended'))}, '');
         process.exit(7);
       }, 500);
       ${wait}
       writeFileSync(${JSON.stringify(begun)}, '');`,
    );
    const stay = packageJson.scripts.start
      .replace('scripts/bootstrap.mjs', join(scripts, 'bootstrap.mjs'))
      .replace('scripts/start.ts', program);
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { stay } }));
    const npm = spawn('npm', ['run', 'stay'], { cwd: folder, stdio: 'ignore', detached: true });
    const code = new Promise<number | null>((resolve) => npm.once('close', resolve));
    await eventually(() => existsSync(begun), { withinMs: 30_000 });
    return { pid: npm.pid ?? NaN, code };
  }

  const hasEnded = (): boolean => existsSync(join(folder, 'ended'));
  const waits = `stopSignal().addEventListener('abort', end);`;

  it.each([
    ['waits for it', waits],
    ['races with it', `interruption().catch(end);`],
  ])(
    'as one of a group, and %s, ends in order before npm does: it is told twice',
    async (_, wait) => {
      const { pid, code } = await begin(wait);
      process.kill(-pid, 'SIGTERM');
      expect(await code).toBe(7);
      expect(hasEnded()).toBe(true);
    },
    60_000,
  );

  it('by nobody, for npm was killed, ends in order all the same', async () => {
    const { pid } = await begin(waits);
    process.kill(pid, 'SIGKILL');
    await eventually(hasEnded, { withinMs: 30_000 });
    expect(hasEnded()).toBe(true);
  }, 60_000);
});
