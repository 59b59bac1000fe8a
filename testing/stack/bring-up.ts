/** How one server gets from its record, or from nothing, to working. */
import { constants } from 'node:os';

import { endRunningCommands } from './command';
import { diskSentence, fullFolder } from './disk';
import { composeUp, hasDockerEngine } from './docker';
import {
  isAlive,
  lastLogLines,
  logFileOf,
  ownedProcess,
  ownedProcesses,
  signal,
  startProcess,
  stopProcess,
  type OwnedProcess,
} from './process';
import type { ServerRecord } from './profile';
import type { Context, Program, Server } from './servers/server';
import { environmentWith } from './config';
import { pause, reasonOf } from '../../runtime/waiting';

/** An attempt to get a server from one source: `undefined` when this machine does not have the source. */
type Attempt = () => Promise<ServerRecord | undefined>;

const stillUpWithinMs = 10_000;

// Pids of servers that are started and do not work yet.
const starting = new Set<number>();

/**
 * Brings one server up by the first source that works. One that works already is left alone.
 * @throws one sentence with the ways to supply it, and why each source failed; or that the disk is full.
 */
export async function bringUpServer(
  server: Server,
  context: Context,
  record: ServerRecord | undefined,
): Promise<ServerRecord> {
  const given = server.given();
  if (given !== undefined) return useGiven(server, given);
  if (record !== undefined && (await isStillUp(server, context, record))) return record;
  await stopProcess(context.folder, server.name);
  const failures: string[] = [];
  for (const attempt of attempts(server, context, failures)) {
    const started = await attempt();
    if (started === undefined) continue;
    context.progress.say(`${server.title} is up: ${started.version}.`);
    return started;
  }
  throw new Error(howToSupply(server, failures));
}

/** Starts a server natively and waits until it works; leaves nothing running when it does not. */
export async function startNatively(
  server: Server,
  context: Context,
  program: Program,
): Promise<void> {
  await server.prepare(context, program);
  const { args, env, input } = server.launch(context);
  const owned = await startProcess({
    folder: context.folder,
    name: server.name,
    file: program.file,
    args: [...program.args, ...args],
    env: environmentWith(env ?? {}),
    ...(input === undefined ? {} : { input }),
  });
  starting.add(owned.pid);
  try {
    await waitUntilWorks(server, context, server.readyWithinMs, owned);
  } catch (error) {
    await stopProcess(context.folder, server.name, { killAfterMs: 5_000 });
    throw error;
  } finally {
    starting.delete(owned.pid);
  }
}

/** @throws with the last log lines when the server ends or `withinMs` pass before it works. */
export async function waitUntilWorks(
  server: Server,
  context: Context,
  withinMs: number,
  owned?: OwnedProcess,
): Promise<void> {
  const address = server.addressOf(context);
  const task = context.progress.task(server.title);
  const deadline = Date.now() + withinMs;
  try {
    for (;;) {
      const failure = await failureOf(server.check(address, true));
      if (failure === undefined) return;
      task.update('waiting until it works');
      if (owned !== undefined && !isAlive(owned.pid, owned.startTime))
        throw new Error(`${server.title} ended by itself. ${lastLines(server, context)}`);
      if (Date.now() > deadline)
        throw new Error(
          `${server.title} did not work within ${withinMs / 1000} s (${failure}). ${lastLines(server, context)}`,
        );
      await pause(100);
    }
  } finally {
    task.end();
  }
}

/**
 * Runs `work`; a signal that arrives meanwhile ends what was begun since, then this process.
 * @param folder the profile's folder, whose processes count.
 */
export async function interruptibly<Result>(
  folder: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const livedBefore = new Set(ownedProcesses(folder).map(({ pid }) => pid));
  const leave = (name: NodeJS.Signals): void => {
    endRunningCommands();
    for (const owned of ownedProcesses(folder).filter(({ pid }) => !livedBefore.has(pid)))
      // A server at work closes its files; one that only starts has none worth the wait.
      signal(owned, starting.has(owned.pid) ? 'SIGKILL' : 'SIGTERM');
    process.exit(128 + constants.signals[name]);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, leave);
  try {
    return await work();
  } finally {
    for (const name of names) process.off(name, leave);
  }
}

async function useGiven(server: Server, address: string): Promise<ServerRecord> {
  const failure = await failureOf(server.check(address, false));
  if (failure === undefined)
    return { source: 'environment', version: `given by ${server.variable ?? ''}` };
  throw new Error(
    `${server.title} at the address in ${server.variable ?? ''} does not work (${failure}). Correct the variable, or unset it to have a server of your own.`,
  );
}

async function isStillUp(
  server: Server,
  context: Context,
  { source }: ServerRecord,
): Promise<boolean> {
  if (source === 'environment') return false;
  const owned = ownedProcess(context.folder, server.name);
  if (source !== 'docker' && owned === undefined) return false;
  // A container may be gone altogether: asked once. A process is alive: it may need a moment.
  const withinMs = source === 'docker' ? 0 : stillUpWithinMs;
  return (await failureOf(waitUntilWorks(server, context, withinMs, owned))) === undefined;
}

function attempts(server: Server, context: Context, failures: string[]): readonly Attempt[] {
  const locatedOr = async (
    source: 'path' | 'cache',
    locate: () => Promise<Program>,
  ): Promise<ServerRecord | undefined> => {
    let program: Program;
    try {
      program = await locate();
    } catch (error) {
      failures.push(reasonOf(error));
      return undefined;
    }
    return tried(async () => {
      await startNatively(server, context, program);
      return { source, version: program.version };
    });
  };
  const tried = async (start: () => Promise<ServerRecord>): Promise<ServerRecord | undefined> => {
    try {
      return await start();
    } catch (error) {
      const full = diskSentence(error) ?? fullFolder(context.folder, reasonOf(error), server.title);
      if (full !== undefined) throw new Error(full, { cause: error }); // No other source has more room.
      failures.push(reasonOf(error));
      context.progress.say(reasonOf(error));
      return undefined;
    }
  };
  return [
    async () =>
      server.isInCompose && (await hasDockerEngine())
        ? tried(() => startByDocker(server, context))
        : undefined,
    () => locatedOr('path', server.findOnPath),
    () => locatedOr('cache', () => server.fetch(context.progress)),
  ];
}

async function startByDocker(server: Server, context: Context): Promise<ServerRecord> {
  const task = context.progress.task(`${server.title} by Docker`);
  try {
    await composeUp(server.name, context);
  } catch (error) {
    throw new Error(`${server.title} by Docker: ${reasonOf(error)}`, { cause: error });
  } finally {
    task.end();
  }
  await waitUntilWorks(server, context, server.readyWithinMs);
  return { source: 'docker', version: 'container' };
}

function howToSupply(server: Server, failures: readonly string[]): string {
  const ways = [
    ...(server.variable === undefined ? [] : [`set ${server.variable} to one that runs`]),
    ...(server.isInCompose ? ['start Docker with Compose'] : []),
    `install ${server.program}`,
  ].join(', or ');
  const reasons = failures.map((failure) => `\n  - ${failure}`).join('');
  return `${server.title} is missing: ${ways}.${reasons}`;
}

function lastLines(server: Server, { folder }: Context): string {
  const lines = lastLogLines(folder, server.name);
  if (lines.length === 0) return 'It logged nothing.';
  const file = logFileOf(folder, server.name);
  return [`The last lines of ${file}:`, ...lines.map((line) => `    ${line}`)].join('\n');
}

async function failureOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
