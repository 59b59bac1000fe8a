/** What a figure was measured on, and what it cost: without it no figure is worth anything. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';

import packageJson from '../../package.json';
import { ownedProcess } from '../stack/process';
import { folderOf, serversOf } from '../stack/profile';
import { status, type Profile } from '../stack/stack';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  /** Over one minute, when the measurement began: what else the machine was busy with. */
  readonly loadBefore: number;
  /** Each with the name of what it is of. */
  readonly versions: readonly string[];
}

export async function machineOf(profile: Profile): Promise<Machine> {
  const servers = await status(profile);
  return {
    cpu: cpus()[0]?.model.trim() ?? 'not known',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    loadBefore: loadavg()[0] ?? 0,
    versions: [
      `Accord ${packageJson.version}`,
      `Node.js ${process.versions.node}`,
      `Temporal SDK ${packageJson.dependencies['@temporalio/worker']}`,
      ...servers.map(({ title, version }) => version ?? `${title}, not ours`),
    ],
  };
}

/** Seconds of CPU that each process has used so far, by name; a server that is not ours is left out. */
export type CpuSeconds = ReadonlyMap<string, number>;

/** @param names of the application's processes; the profile's servers and this process come with them. */
export function cpuSeconds(profile: Profile, names: Iterable<string>): CpuSeconds {
  const folder = folderOf(profile);
  const { user, system } = process.cpuUsage();
  const used = new Map([['bench', (user + system) / 1e6]]);
  for (const name of [...names, ...serversOf(profile)]) {
    const owned = ownedProcess(folder, name);
    const seconds = owned && secondsOf(owned.pid);
    if (seconds !== undefined) used.set(name, seconds);
  }
  return used;
}

export const usedSince = (before: CpuSeconds, after: CpuSeconds): CpuSeconds =>
  new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));

const ticksPerSecond = 100; // USER_HZ, the same on every Linux.

/** User and system time; only Linux tells it finely enough. */
function secondsOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The program's name stands in brackets and may hold blanks: count from behind the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
