/** Programs of the arms: started as the profile's own, so that `stack down` ends them as well. */
import { connect } from 'node:net';
import { join } from 'node:path';

import { pause, reasonOf } from '../../../runtime/waiting';
import { checkout, environmentWith } from '../../stack/config';
import { isAlive, lastLogLines, startProcess, stopProcess } from '../../stack/process';
import type { Stack } from '../../stack/stack';
import type { Played } from '../load/caller';
import { customersOf } from '../load/world';
import type { HttpClient } from '../http-client';
import type { Ground, Transfer } from './arm';

const readyWithinMs = 60_000;
const lookEveryMs = 50;
const stopWithinMs = 5_000;

export interface Program {
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it works. An error counts as not yet. */
  readonly isReady: () => Promise<boolean>;
}

/** A program of `services/`, by Node, with the sources of this checkout. */
export const serviceProgram = (
  service: string,
  name: string,
  env: Readonly<Record<string, string>>,
  isReady: () => Promise<boolean>,
): Program => ({
  ...{ name, env, isReady, file: process.execPath },
  args: ['--import', 'tsx', join('testing', 'bench', 'compare', 'services', `${service}.ts`)],
});

/** It is stopped at the end. @returns once it works. @throws its last log lines, when it ends or is not ready in time. */
export async function start(
  { folder }: Stack,
  program: Program,
  atEnd: Ground['atEnd'],
): Promise<void> {
  const { name, file, args, env = {}, isReady } = program;
  const isNode = file === process.execPath;
  const started = await startProcess({
    ...{ folder, name, file, args, cwd: checkout, env: environmentWith(env), endsWithUs: isNode },
  });
  atEnd(() => stopProcess(folder, name, { killAfterMs: stopWithinMs }));
  const deadline = performance.now() + readyWithinMs;
  while (!(await isReady().catch(() => false))) {
    if (isAlive(started.pid, started.startTime) && performance.now() < deadline) {
      await pause(lookEveryMs);
      continue;
    }
    throw new Error(
      [`${name} does not work. It wrote:`, ...lastLogLines(folder, name)].join('\n    '),
    );
  }
}

export const answersAt = (http: HttpClient, url: string) => async (): Promise<boolean> =>
  (await http.call('GET', url)).status === 200;

export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const tell = (isOpen: boolean) => (): void => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', tell(true)).once('error', tell(false));
  });
}

const amount = 100;

/** The same accounts for the same number in every arm. */
export function transferOf(run: string, at: number): Transfer {
  const { payer, payee } = customersOf(at, false, false);
  return { id: `${run}-${at}`, from: payer, to: payee, amount };
}

/** One call that is answered when the transfer has ended. */
export async function playOver(
  http: HttpClient,
  url: string,
  transfer: Transfer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Played> {
  const told = { gid: transfer.id, acceptedAt: undefined, retries: 0 };
  try {
    const { status, text } = await http.call('POST', url, { headers, body: transfer });
    const ending = status === 200 ? 'completed' : `${status} ${text.slice(0, 200)}`;
    return {
      ...told,
      gid: status === 200 ? transfer.id : undefined,
      ending,
      endedAt: performance.now(),
    };
  } catch (error) {
    return { ...told, gid: undefined, ending: reasonOf(error), endedAt: performance.now() };
  }
}
