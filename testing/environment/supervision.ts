/** What `npm start` does while it runs: it starts again what has died, and tells once what goes on. */
import type { Application, Role } from './application';
import { backoffMs } from '../../runtime/backoff';
import { reasonOf } from '../../runtime/waiting';

/** Between two looks. */
export const superviseEveryMs = 1_000;
const retryMs = { first: 2 * superviseEveryMs, max: 60_000 } as const;

/** A server of the stack that was up and whose process is gone. */
export interface DeadServer {
  readonly name: string;
  readonly title: string;
}

export interface Supervised {
  /** Every process that must run, by name. */
  readonly processes: ReadonlyMap<string, Role>;
  readonly application: Pick<Application, 'start'> & {
    /** Finds a living process by its name. `undefined`: there is none. */
    process(name: string): object | undefined;
  };
  readonly deadServers: () => readonly DeadServer[];
  /** What brings a server back. */
  readonly restartCommand: (name: string) => string;
  readonly say: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly isStopping: () => boolean;
}

interface Failing {
  readonly failures: number;
  readonly againAt: number;
}

/**
 * Starts again what has died: kill a worker and see that nothing is lost. What goes on is said once, however many looks
 * it goes on for: a server that is down, a process that does not come back.
 */
export function createSupervision(supervised: Supervised): { look(): Promise<void> } {
  const { processes, application, say, now, isStopping } = supervised;
  const areServersDown = createDownTime(supervised);
  const failing = new Map<string, Failing>();

  async function startAgain(name: string, role: Role): Promise<void> {
    const failed = failing.get(name);
    if (!failed) say(`${name} has ended; starting it again.`);
    try {
      await application.start(role, name);
      if (failed) say(`${name} runs again.`);
      failing.delete(name);
    } catch (error) {
      if (!failed) say(`${reasonOf(error)}\n${name} is started again until it runs.`);
      const failures = (failed?.failures ?? 0) + 1;
      failing.set(name, { failures, againAt: now() + backoffMs(failures, retryMs) });
    }
  }

  return {
    async look() {
      if (areServersDown()) return; // Nothing that needs them would become ready.
      for (const [name, role] of processes) {
        const isDue = now() >= (failing.get(name)?.againAt ?? 0);
        if (isStopping() || !isDue || application.process(name)) continue;
        await startAgain(name, role);
      }
    },
  };
}

/** Tells of each server that is gone, once, and once that it is back. */
function createDownTime({
  deadServers,
  restartCommand,
  say,
}: Pick<Supervised, 'deadServers' | 'restartCommand' | 'say'>): () => boolean {
  let known: readonly DeadServer[] = [];
  const isIn = (servers: readonly DeadServer[], name: string): boolean =>
    servers.some((server) => server.name === name);
  return () => {
    const dead = deadServers();
    for (const { name, title } of dead) {
      if (!isIn(known, name)) say(`${title} has ended: ${restartCommand(name)}`);
    }
    for (const { name, title } of known) if (!isIn(dead, name)) say(`${title} runs again.`);
    known = dead;
    return dead.length > 0;
  };
}
