/** Kills one worker after the other while a load runs, and starts each of them again. */
import type { Application, Role } from '../../environment/application';
import { isAlive, signal } from '../../stack/process';
import { pause } from '../../../runtime/waiting';
import type { Meter } from '../meter';

const lookEveryMs = 20;

export interface Killing {
  /** How many were killed. */
  kills(): number;
  /** Answers when the last one that was killed runs again. */
  stop(): Promise<void>;
}

/** @param everySeconds between two kills; `undefined`: none. */
export function startKilling(
  application: Application,
  processes: ReadonlyMap<string, Role>,
  everySeconds: number | undefined,
  meter: Meter,
  say: (line: string) => void,
): Killing {
  const workers = [...processes].filter(([, role]) => role === 'worker').map(([name]) => name);
  let kills = 0;
  let working = Promise.resolve();

  async function kill(name: string): Promise<void> {
    const running = application.process(name);
    if (!running) return;
    meter.look(); // What it has used until now.
    signal(running, 'SIGKILL');
    while (isAlive(running.pid, running.startTime)) await pause(lookEveryMs);
    kills += 1;
    say(`  killed ${name} (process ${running.pid})`);
    await application.start('worker', name);
  }

  const timer =
    everySeconds === undefined
      ? undefined
      : setInterval(() => {
          working = working
            .then(() => kill(workers[kills % workers.length] ?? ''))
            .catch((error: unknown) => say(`A worker was not started again: ${String(error)}`));
        }, everySeconds * 1_000);
  return {
    kills: () => kills,
    async stop() {
      clearInterval(timer);
      await working;
    },
  };
}
