/**
 * Processes that this checkout owns: started detached with a log file, recorded with pid and start
 * time, and ended by that pid alone. A name would hit the neighbour's server as well.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { devNull } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';

import { pause } from '../../runtime/waiting';
import { writeJson } from '../../runtime/whole-file';

const recordSchema = z.object({
  name: z.string(),
  pid: z.number().int().positive(),
  /** Tells this process from a later one with the same pid, also across a reboot. */
  startTime: z.string(),
  startedAt: z.string(),
});

/** A process as recorded in `<folder>/run/<name>.json`. */
export type OwnedProcess = Readonly<z.infer<typeof recordSchema>>;

export interface ProcessCommand {
  /** The profile's folder: records go to `run/`, output to `logs/`. */
  readonly folder: string;
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** The whole environment of the child; by default this process's own. */
  readonly env?: NodeJS.ProcessEnv;
  /** A file that is its standard input; by default that is empty. */
  readonly input?: string;
  /** A program of Node that ends, as at SIGTERM, when this process does, however that comes. */
  readonly endsWithUs?: boolean;
}

const logBytesMax = 20 * 1024 * 1024;

export const logFileOf = (folder: string, name: string): string =>
  join(folder, 'logs', `${name}.log`);

const recordFileOf = (folder: string, name: string): string => join(folder, 'run', `${name}.json`);

/**
 * Starts a process that outlives this one, unless it `endsWithUs`, and records it.
 * @throws when the program cannot be started, or when a process of that name still runs.
 */
export async function startProcess(command: ProcessCommand): Promise<OwnedProcess> {
  const { folder, name, file, args, cwd, env, input = devNull, endsWithUs = false } = command;
  const recordFile = recordFileOf(folder, name);
  const running = ownedProcess(folder, name);
  if (running !== undefined)
    throw new Error(`${name} is running already, as process ${running.pid}.`);
  mkdirSync(join(folder, 'run'), { recursive: true });
  const standardInput = openSync(input, 'r');
  const log = openLog(logFileOf(folder, name));
  try {
    const child = spawn(file, endsWithUs ? ['--import', endWithParent, ...args] : args, {
      detached: true, // A group of its own: Ctrl-C in this terminal is not for it.
      stdio: [standardInput, log, log, ...(endsWithUs ? ['pipe' as const] : [])],
      cwd: cwd ?? folder,
      env: { ...(env ?? process.env), [recordVariable]: recordFile },
    });
    holdOpen(child.stdio[3]);
    const { pid } = child;
    if (pid === undefined) throw await startFailure(child);
    child.unref();
    const record = { name, pid, startTime: startTimeOf(pid) ?? '', startedAt: now() };
    // At once and without waiting, so that a crash of ours cannot leave an unrecorded child.
    writeJson(recordFile, record);
    return record;
  } finally {
    closeSync(standardInput);
    closeSync(log);
  }
}

/** The recorded process, as long as it is alive; where its record is damaged, the one that was started for it. */
export function ownedProcess(folder: string, name: string): OwnedProcess | undefined {
  const file = recordFileOf(folder, name);
  const record = readRecord(file) ?? (existsSync(file) ? startedFor(file, name) : undefined);
  return record !== undefined && isAlive(record.pid, record.startTime) ? record : undefined;
}

/** Every living process of a profile's folder. */
export function ownedProcesses(folder: string): readonly OwnedProcess[] {
  let files: string[];
  try {
    files = readdirSync(join(folder, 'run'));
  } catch {
    return [];
  }
  return files
    .filter((file) => file.endsWith('.json'))
    .map((file) => ownedProcess(folder, basename(file, '.json')))
    .filter((found) => found !== undefined);
}

/** True while exactly this process lives: the same pid with another start time is a stranger. */
export function isAlive(pid: number, startTime: string): boolean {
  return startTime !== '' && startTimeOf(pid) === startTime;
}

/**
 * Ends an owned process: TERM, then KILL to its group when `killAfterMs` have passed. Safe to repeat.
 * @returns true when something was running.
 */
export async function stopProcess(
  folder: string,
  name: string,
  { killAfterMs = 20_000 }: { readonly killAfterMs?: number } = {},
): Promise<boolean> {
  const running = ownedProcess(folder, name);
  if (running !== undefined) {
    signal(running, 'SIGTERM');
    if (!(await isGoneWithin(running, killAfterMs))) {
      signal(running, 'SIGKILL');
      if (!(await isGoneWithin(running, 5_000)))
        throw new Error(`${name} (process ${running.pid}) did not end, not even by SIGKILL.`);
    }
  }
  rmSync(recordFileOf(folder, name), { force: true });
  return running !== undefined;
}

/** Sends a signal after the start time has been checked. KILL goes to the whole group. */
export function signal({ pid, startTime }: OwnedProcess, name: NodeJS.Signals): void {
  if (!isAlive(pid, startTime)) return;
  try {
    process.kill(name === 'SIGKILL' ? -pid : pid, name);
  } catch {
    // It ended in between: what was wanted.
  }
}

/** The last lines that a process wrote, for the sentence that says why it is not ready. */
export function lastLogLines(folder: string, name: string, linesMax = 20): readonly string[] {
  const file = logFileOf(folder, name);
  try {
    const { size } = statSync(file);
    const buffer = Buffer.alloc(Math.min(size, 64 * 1024));
    const handle = openSync(file, 'r');
    readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    closeSync(handle);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-linesMax);
  } catch {
    return [];
  }
}

/** When a process began, in a form that only equality is asked of; undefined when it is gone. */
export function startTimeOf(pid: number): string | undefined {
  return process.platform === 'linux' ? linuxStartTime(pid) : psStartTime(pid);
}

function linuxStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in brackets and may hold blanks: count from behind the last bracket.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields[18];
    // A zombie is dead. In a container it may never be collected.
    if (ticks === undefined || state === 'Z' || state === 'X') return undefined;
    return `${bootId()}/${ticks}`;
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'boot';
  }
}

function psStartTime(pid: number): string | undefined {
  try {
    const answer = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return answer === '' || answer.startsWith('Z') ? undefined : answer.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

async function isGoneWithin({ pid, startTime }: OwnedProcess, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (isAlive(pid, startTime)) {
    if (Date.now() > deadline) return false;
    await pause(50);
  }
  return true;
}

function openLog(file: string): number {
  mkdirSync(join(file, '..'), { recursive: true });
  try {
    if (statSync(file).size > logBytesMax) renameSync(file, `${file}.1`);
  } catch {
    // No log yet.
  }
  return openSync(file, 'a', 0o600);
}

function startFailure(child: ReturnType<typeof spawn>): Promise<Error> {
  return new Promise((resolve) => child.once('error', resolve));
}

function readRecord(file: string): OwnedProcess | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined; // Absent, or emptied by a loss of power.
  }
}

/** Names its record in the environment of a process that we start. */
const recordVariable = 'ACCORD_RECORD';

/** The oldest process that was started for this record; only Linux tells the environments of processes. */
function startedFor(file: string, name: string): OwnedProcess | undefined {
  const marker = `${recordVariable}=${file}`;
  return numbersIn('/proc')
    .filter((pid) => environmentOf(pid).includes(marker))
    .flatMap((pid) => {
      const startTime = startTimeOf(pid);
      return startTime === undefined ? [] : [{ name, pid, startTime, startedAt: now() }];
    })
    .sort((one, other) => ticksOf(one) - ticksOf(other))
    .at(0);
}

const ticksOf = ({ startTime }: OwnedProcess): number => Number(startTime.split('/').at(-1));

function numbersIn(folder: string): readonly number[] {
  try {
    return readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function environmentOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return []; // Gone, or somebody else's.
  }
}

const endWithParent = pathToFileURL(join(__dirname, 'end-with-parent.mjs')).href;

/** Our end of the pipe is open as long as we live, and keeps us from nothing. */
function holdOpen(pipe: unknown): void {
  if (pipe instanceof Socket) pipe.on('error', () => undefined).unref();
}

const now = (): string => new Date().toISOString();
