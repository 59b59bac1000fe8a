import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { withLock } from '../../../../testing/stack/lock';
import {
  isAlive,
  lastLogLines,
  ownedProcess,
  startProcess,
  startTimeOf,
  stopProcess,
  type OwnedProcess,
} from '../../../../testing/stack/process';
import { eventually } from '../../../support/eventually';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'accord-process-'));
});
afterEach(async () => {
  await stopProcess(folder, 'child', { killAfterMs: 0 });
  rmSync(folder, { recursive: true, force: true });
});

const start = (script: string): Promise<OwnedProcess> =>
  startProcess({ folder, name: 'child', file: process.execPath, args: ['-e', script] });

/** Waits for a line of the child's log. */
async function logged(line: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!lastLogLines(folder, 'child').includes(line)) {
    if (Date.now() > deadline) throw new Error(`The child never wrote "${line}".`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe('an owned process', () => {
  it('is recorded, found again and stopped', async () => {
    const started = await start('console.log("here"); setInterval(() => {}, 1000)');
    await logged('here');
    expect(ownedProcess(folder, 'child')).toEqual(started);
    expect(await stopProcess(folder, 'child')).toBe(true);
    expect(isAlive(started.pid, started.startTime)).toBe(false);
    expect(await stopProcess(folder, 'child')).toBe(false);
  });

  it('is killed when it does not listen to TERM', async () => {
    const started = await start(
      'process.on("SIGTERM", () => {}); console.log("deaf"); setInterval(() => {}, 1000)',
    );
    await logged('deaf');
    await stopProcess(folder, 'child', { killAfterMs: 200 });
    expect(isAlive(started.pid, started.startTime)).toBe(false);
  });

  it('is not started twice under one name', async () => {
    await start('setInterval(() => {}, 1000)');
    await expect(start('0')).rejects.toThrow(/child is running already/);
  });

  it.each(['', '{"name":"child","pid":'])(
    'is found, and stopped, where its record is damaged: %j',
    async (text) => {
      const started = await start('console.log("here"); setInterval(() => {}, 1000)');
      await logged('here');
      writeFileSync(join(folder, 'run', 'child.json'), text);
      expect(ownedProcess(folder, 'child')).toMatchObject({ pid: started.pid });
      await expect(start('0')).rejects.toThrow(/child is running already/);
      expect(await stopProcess(folder, 'child')).toBe(true);
      expect(isAlive(started.pid, started.startTime)).toBe(false);
    },
  );

  it('that ends with whoever started it ends where that one was killed', async () => {
    const module = join(__dirname, '..', '..', '..', '..', 'testing', 'stack', 'process.ts');
    const script = `
      const { startProcess } = require(${JSON.stringify(module)});
      startProcess({ folder: ${JSON.stringify(folder)}, name: 'child', file: process.execPath, endsWithUs: true,
        args: ['-e', 'console.log("here"); setInterval(() => {}, 1000)'] });
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '-e', script], { stdio: 'ignore' });
    await logged('here');
    const child = ownedProcess(folder, 'child');
    parent.kill('SIGKILL');
    await eventually(() => child && !isAlive(child.pid, child.startTime), {
      what: 'the end of the child',
    });
    expect(child).toBeDefined();
  });

  it('is not taken for a stranger that has its pid', async () => {
    const started = await start('console.log("here"); setInterval(() => {}, 1000)');
    await logged('here');
    const record = join(folder, 'run', 'child.json');
    const original = readFileSync(record, 'utf8');
    writeFileSync(record, JSON.stringify({ ...started, startTime: 'another' }));
    expect(ownedProcess(folder, 'child')).toBeUndefined();
    expect(isAlive(started.pid, started.startTime)).toBe(true);
    writeFileSync(record, original);
  });

  it('refuses a program that does not exist', async () => {
    const file = join(folder, 'missing');
    await expect(startProcess({ folder, name: 'child', file, args: [] })).rejects.toThrow(/ENOENT/);
  });
});

describe('a lock', () => {
  it('lets one in at a time', async () => {
    const file = join(folder, 'lock');
    let inside = 0;
    let mostInside = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      mostInside = Math.max(mostInside, inside);
      await Promise.resolve();
      inside -= 1;
    };
    await Promise.all([withLock(file, work), withLock(file, work), withLock(file, work)]);
    expect(mostInside).toBe(1);
  });

  it('passes over a holder that died', async () => {
    const file = join(folder, 'lock');
    // This process's pid, but not its start time: a holder of before the last reboot.
    writeFileSync(file, JSON.stringify({ pid: process.pid, startTime: 'before', token: 'dead' }));
    expect(await withLock(file, () => Promise.resolve('inside'))).toBe('inside');
    expect(startTimeOf(process.pid)).not.toBe('before');
  });
});
