/** Keeps the application's processes alive, as a production's supervisor would: whatever dies is started again. */
import type { Application, Build, Role, Variables } from '../environment/application';
import { signal, type OwnedProcess } from '../stack/process';
import { pause, reasonOf } from '../../runtime/waiting';

export interface Supervisor {
  readonly names: readonly string[];
  namesOf(role: Role): readonly string[];
  /** The living process of that name. */
  process(name: string): OwnedProcess | undefined;
  /** @returns whether there was one to be told. */
  tell(name: string, what: NodeJS.Signals): boolean;
  /**
   * Gentle, as a deploy is: one after the other is told to finish, and comes back, with that build where one is given.
   *
   * @returns how many have come back.
   */
  roll(names: readonly string[], build?: Build): Promise<number>;
  /** Waits until each process lives and works again. */
  settled(withinMs: number): Promise<void>;
  /** How often a process had to be started again. */
  readonly restarts: number;
  stop(): Promise<void>;
}

export interface Crew {
  readonly role: Role;
  readonly variables?: Variables;
}

const lookEveryMs = 200;
/** Above a worker's own bound of 20 s. */
const replacedWithinMs = 25_000;

/** @throws where one cannot be started at all. */
export async function supervise(
  application: Application,
  crew: ReadonlyMap<string, Crew>,
): Promise<Supervisor> {
  let isStopping = false;
  let restarts = 0;
  const starting = new Map<string, Promise<unknown>>();

  const builds = new Map<string, Build>();

  const start = (name: string, { role, variables }: Crew): Promise<unknown> => {
    const started = application
      .start(role, name, variables, builds.get(name))
      .finally(() => starting.delete(name));
    starting.set(name, started);
    return started;
  };

  await Promise.all([...crew].map(([name, one]) => start(name, one)));

  async function watch(): Promise<void> {
    while (!isStopping) {
      for (const [name, one] of crew) {
        if (starting.has(name) || application.process(name)) continue;
        restarts += 1;
        // It could not: a server is away, and it is tried again at the next look.
        start(name, one).catch((error: unknown) => void reasonOf(error));
      }
      await pause(lookEveryMs);
    }
  }
  const watching = watch();

  return {
    names: [...crew.keys()],
    namesOf: (role) => [...crew].filter(([, one]) => one.role === role).map(([name]) => name),
    process: (name) => application.process(name),
    tell(name, what) {
      const running = application.process(name);
      if (running) signal(running, what);
      return running !== undefined;
    },
    async roll(names, build) {
      let replaced = 0;
      for (const name of names) {
        if (build) builds.set(name, build);
        const before = application.process(name);
        if (!before) continue; // It is on its way back already.
        signal(before, 'SIGTERM');
        const deadline = Date.now() + replacedWithinMs;
        while (application.process(name)?.pid === before.pid && Date.now() < deadline)
          await pause(lookEveryMs);
        replaced += 1;
      }
      return replaced;
    },
    async settled(withinMs) {
      const deadline = Date.now() + withinMs;
      const isSettled = (): boolean =>
        starting.size === 0 && [...crew.keys()].every((name) => application.process(name));
      while (!isSettled()) {
        if (Date.now() > deadline) throw new Error('The processes have not come back in time.');
        await pause(lookEveryMs);
      }
    },
    get restarts() {
      return restarts;
    },
    async stop() {
      isStopping = true;
      await watching;
      await Promise.allSettled(starting.values());
      for (const name of crew.keys()) {
        const running = application.process(name);
        if (running) signal(running, 'SIGCONT'); // Stopped, it would not hear SIGTERM.
      }
      await Promise.all([...crew.keys()].map((name) => application.stop(name)));
    },
  };
}
