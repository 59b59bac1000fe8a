import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';

import { searchPath } from './config';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Every line of both streams, as it comes. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs: number;
}

const linesKept = 400;
const running = new Set<number>();

/**
 * Runs a program to its end and answers with what it wrote, both streams together.
 * @throws with its last lines when it fails, cannot be started or takes longer than `timeoutMs`.
 */
export async function runCommand(
  file: string,
  args: readonly string[],
  { cwd, env, onLine, timeoutMs }: CommandOptions,
): Promise<string> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // A group of its own, so that a compiler's helpers end with it.
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (lines.length > linesKept) lines.shift();
      onLine?.(line);
    });
  if (child.pid !== undefined) running.add(child.pid);
  const time = { isUp: false };
  const timer = setTimeout(() => {
    time.isUp = true;
    endGroup(child.pid);
  }, timeoutMs);
  try {
    const ending = await new Promise<string | number>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signalName) => resolve(code ?? signalName ?? 'no code'));
    });
    if (ending === 0) return lines.join('\n');
    const why = time.isUp ? `took longer than ${timeoutMs / 1000} s` : `ended with ${ending}`;
    throw new Error(
      [`${file} ${why}.`, ...lines.slice(-8).map((line) => `    ${line}`)].join('\n'),
    );
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined) running.delete(child.pid);
  }
}

/** Ends the programs that still run: for the way out of this process, which cannot wait. */
export function endRunningCommands(): void {
  for (const pid of running) endGroup(pid);
}

/** The first executable of that name on PATH. */
export function findProgram(name: string): string | undefined {
  return searchPath()
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** `8.4.3` is at least `8.4`: compared number by number, what follows the numbers is ignored. */
export function isAtLeast(version: string, oldest: string): boolean {
  const numbers = version.split(/[^\d]+/).map(Number);
  for (const [index, wanted] of oldest.split('.').map(Number).entries()) {
    const found = numbers[index] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    // Without a grace: each of them works in a temporary folder that is thrown away.
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
