/** CPU and memory of processes over a run in which some of them are killed and started again. */
import { readFileSync } from 'node:fs';

import { ownedProcess } from '../stack/process';
import { folderOf, serversOf, type Profile } from '../stack/profile';
import { cpuSeconds, type CpuSeconds } from './machine';

export interface Meter {
  /** Adds what was used since the last look. To be called before a process is killed, and every second or so. */
  look(): void;
  /** Seconds of CPU since the meter was made, by process. */
  used(): CpuSeconds;
}

/** @param read seconds of each process since its own start. */
export function createMeter(read: () => CpuSeconds): Meter {
  let last = read();
  const used = new Map<string, number>();
  return {
    look() {
      const now = read();
      for (const [name, seconds] of now) {
        const before = last.get(name) ?? 0;
        // Less than before: another process has taken the name, and has used all that it shows since.
        const more = seconds >= before ? seconds - before : seconds;
        used.set(name, (used.get(name) ?? 0) + more);
      }
      last = now;
    },
    used: () => new Map(used),
  };
}

export const meterOf = (profile: Profile, names: Iterable<string>): Meter => {
  const known = [...names];
  return createMeter(() => cpuSeconds(profile, known));
};

/** `worker-1` and `worker-2` are the workers, this process is the generator. Every other name is its own group. */
export const groupOf = (name: string): string =>
  /^worker-\d+$/.test(name) ? 'workers' : name === 'bench' ? 'generator' : name;

/** @returns the sums of each group, largest first. */
export function byGroup(
  values: Iterable<readonly [name: string, value: number]>,
): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [name, value] of values) {
    const group = groupOf(name);
    sums.set(group, (sums.get(group) ?? 0) + value);
  }
  return new Map([...sums].sort(([, one], [, other]) => other - one));
}

/** Milliseconds of CPU of each group for one transaction, and of all. */
export function cpuMsPerTransaction(
  used: CpuSeconds,
  transactions: number,
): Readonly<Record<string, number>> {
  if (transactions === 0) return {};
  const groups = [...byGroup(used)].map(
    ([name, seconds]) => [name, round((seconds * 1_000) / transactions)] as const,
  );
  const all = [...used.values()].reduce((sum, seconds) => sum + seconds, 0);
  return { ...Object.fromEntries(groups), all: round((all * 1_000) / transactions) };
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** Memory of each process in MiB, as its pages are in memory now. Only Linux tells it. */
export function memoryMiB(profile: Profile, names: Iterable<string>): ReadonlyMap<string, number> {
  const folder = folderOf(profile);
  const found = new Map([['bench', process.memoryUsage().rss / 2 ** 20]]);
  for (const name of [...names, ...serversOf(profile)]) {
    const pid = ownedProcess(folder, name)?.pid;
    const resident = pid === undefined ? undefined : residentMiB(pid);
    if (resident !== undefined) found.set(name, resident);
  }
  return byGroup(found);
}

function residentMiB(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1_024;
  } catch {
    return undefined; // It has ended, or this is no Linux.
  }
}
