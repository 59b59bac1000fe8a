import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { eventually } from '../../support/eventually';

const scripts = join(__dirname, '..', '..', '..', 'scripts');

describe('a command that is told to stop', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'accord-stop-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a command by the bootstrap, as npm does, in a group of its own. @returns its exit code. */
  async function stoppedAsGroup(wait: string): Promise<number | null> {
    const [begun, program] = [join(folder, 'begun'), join(folder, 'stay.ts')];
    writeFileSync(
      program,
      `import { writeFileSync } from 'node:fs';
       import { interruption, stopSignal } from ${JSON.stringify(join(scripts, 'interruption.ts'))};
       setInterval(() => {}, 1_000);
       const end = () => setTimeout(() => process.exit(7), 500);
       ${wait}
       writeFileSync(${JSON.stringify(begun)}, '');`,
    );
    const command = spawn(process.execPath, [join(scripts, 'bootstrap.mjs'), program], {
      stdio: 'ignore',
      detached: true,
    });
    const code = new Promise<number | null>((resolve) => command.once('close', resolve));
    await eventually(() => existsSync(begun), { withinMs: 30_000 });
    process.kill(-(command.pid ?? NaN), 'SIGTERM');
    return code;
  }

  it.each([
    ['waits for it', `stopSignal().addEventListener('abort', end);`],
    ['races with it', `interruption().catch(end);`],
  ])(
    'as one of a group, and %s, ends in order: it is told twice',
    async (_, wait) => {
      expect(await stoppedAsGroup(wait)).toBe(7);
    },
    60_000,
  );
});
