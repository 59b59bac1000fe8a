/** Worker processes that are killed or stopped at the points where their deliveries wait, and started again. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Variables } from '../environment/application';
import { signal, type OwnedProcess } from '../stack/process';
import { pause, reasonOf } from '../../runtime/waiting';
import type { IsolatedEnvironment } from '../environment/isolated-environment';

/** Faults that fired, by their text. */
interface Mark {
  readonly text: string;
  readonly pid: number;
  readonly at: number;
}

export interface Fleet {
  /** Every fault that has fired. */
  fired(): ReadonlySet<string>;
  /** Starts all workers anew with these faults. @param ofFirst besides, of the first worker alone. */
  arm(faults: readonly string[], ofFirst?: readonly string[]): Promise<void>;
  /** Kills workers whose deliveries wait at a point, as they come, until it is stopped. */
  reap(): { stop(): Promise<void> };
  /** The faults whose delivery was at its point when its process was killed. */
  readonly killed: ReadonlySet<string>;
  readonly kills: number;
  /** Stops the first worker when deliveries wait there. @returns their faults; none where none came in time. */
  stopFirst(isHeld: (fault: string) => boolean, withinMs: number): Promise<readonly string[]>;
  continueFirst(): void;
  close(): Promise<void>;
}

const lookEveryMs = 100;
/** Deliveries gather at their points for so long: below what a local attempt is given. */
const gatherMs = 700;
/** Held for longer, a delivery is no longer where it was: Temporal ends an attempt. Locks are taken by remote ones. */
const heldMaxMs = { ofParticipants: 1_300, ofLocks: 1_900 } as const;

const heldMaxOf = (fault: string): number =>
  fault.split(':')[0]?.includes('.') ? heldMaxMs.ofParticipants : heldMaxMs.ofLocks;

export function createFleet(
  isolated: Pick<IsolatedEnvironment, 'application'>,
  { folder, workers }: { readonly folder: string; readonly workers: number },
): Fleet {
  const marks = join(folder, 'marks');
  mkdirSync(marks, { recursive: true });
  const names = Array.from({ length: workers }, (_, at) => `worker-${at + 1}`);
  const seen = new Map<string, Mark>();
  const killed = new Set<string>();
  const closing = new AbortController();
  let reaping: Promise<void> = Promise.resolve();
  let kills = 0;

  const faultsFile = (name: string): string => join(folder, `faults-${name}`);
  const variablesOf = (name: string): Variables => ({
    FAULTS_FILE: faultsFile(name),
    FAULT_MARKS: marks,
    SCHEDULES: 'off',
    LOG_LEVEL: 'error',
  });
  const start = (name: string) => isolated.application.start('worker', name, variablesOf(name));

  /** @returns the marks that have come since the last look. */
  function look(): readonly Mark[] {
    const fresh: Mark[] = [];
    for (const file of readdirSync(marks)) {
      const text = decodeURIComponent(file);
      if (seen.has(text)) continue;
      const pid = Number(readFileSync(join(marks, file), 'utf8'));
      if (pid === 0) continue; // Just being written.
      const mark = { text, pid, at: performance.now() };
      seen.set(text, mark);
      fresh.push(mark);
    }
    return fresh;
  }

  async function stopAll(): Promise<void> {
    for (const name of names) {
      const running = isolated.application.process(name);
      if (running) signal(running, 'SIGKILL'); // Nothing is under way, or it is a crash like any other.
    }
    while (names.some((name) => isolated.application.process(name))) await pause(lookEveryMs);
  }

  return {
    fired() {
      look();
      return new Set(seen.keys());
    },
    async arm(faults, ofFirst = []) {
      await stopAll();
      names.forEach((name, at) => {
        const own = at === 0 ? [...faults, ...ofFirst] : faults;
        writeFileSync(faultsFile(name), own.join(';\n'));
      });
      await Promise.all(names.map(start));
    },
    reap() {
      const stopping = new AbortController();
      const starting = new Map<string, Promise<unknown>>();
      const waiting = new Map<number, Mark[]>();
      const restart = (name: string): void => {
        const started = start(name)
          .catch((error: unknown) => void reasonOf(error)) // Tried again at the next look.
          .finally(() => starting.delete(name));
        starting.set(name, started);
      };
      const kill = (running: OwnedProcess, held: readonly Mark[]): void => {
        const now = performance.now();
        signal(running, 'SIGKILL');
        kills += 1;
        for (const { text, at } of held) if (now - at < heldMaxOf(text)) killed.add(text);
        waiting.delete(running.pid);
      };
      const isOver = () => stopping.signal.aborted || closing.signal.aborted;
      // Another worker must run, to continue the work of the dead one.
      const hasHeir = (name: string): boolean =>
        names.some((other) => other !== name && !starting.has(other));
      reaping = (async () => {
        while (!isOver()) {
          for (const mark of look().filter(({ text }) => text.includes(':hang:'))) {
            waiting.set(mark.pid, [...(waiting.get(mark.pid) ?? []), mark]);
          }
          for (const name of names) {
            if (starting.has(name)) continue;
            const running = isolated.application.process(name);
            const held = running && waiting.get(running.pid);
            if (!running) restart(name);
            else if (held && hasHeir(name) && performance.now() - (held[0]?.at ?? 0) > gatherMs)
              kill(running, held);
          }
          await pause(lookEveryMs);
        }
        await Promise.all(starting.values());
      })();
      return {
        async stop() {
          stopping.abort();
          await reaping;
        },
      };
    },
    killed,
    get kills() {
      return kills;
    },
    async stopFirst(isHeld, withinMs) {
      const deadline = Date.now() + withinMs;
      const held: Mark[] = [];
      const first = isolated.application.process(names[0] ?? '');
      while (first && Date.now() < deadline) {
        held.push(...look().filter(({ text, pid }) => pid === first.pid && isHeld(text)));
        if (held[0] && performance.now() - held[0].at > gatherMs) {
          signal(first, 'SIGSTOP');
          return held.map(({ text }) => text);
        }
        await pause(lookEveryMs);
      }
      return [];
    },
    continueFirst() {
      const first = isolated.application.process(names[0] ?? '');
      if (first) signal(first, 'SIGCONT');
    },
    async close() {
      closing.abort();
      await reaping;
      await stopAll();
      await Promise.all(names.map((name) => isolated.application.stop(name))); // Also forgets who they were.
    },
  };
}
