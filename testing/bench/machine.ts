/** What a figure was measured on, and what it cost: without it no figure is worth anything. */
import { readdirSync, readFileSync } from 'node:fs';
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

/**
 * User and system time of a process and of all that descend from it, also of those that have ended: PostgreSQL has a
 * process for each connection. Only Linux tells it finely enough.
 */
function secondsOf(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const family = childrenOf();
  const tickOf = (one: number): number =>
    (statOf(one)?.ticks ?? 0) +
    (family.get(one) ?? []).reduce((all, child) => all + tickOf(child), 0);
  return tickOf(pid) / ticksPerSecond;
}

function childrenOf(): ReadonlyMap<number, readonly number[]> {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? statOf(Number(name))?.parent : undefined;
    if (parent === undefined) continue;
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  return children;
}

function statOf(pid: number): { readonly parent: number; readonly ticks: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // It has ended.
  }
  // The program's name stands in brackets and may hold blanks: count from behind the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Its own time, and that of the children that it has waited for.
  const ticks = [11, 12, 13, 14].reduce((all, at) => all + Number(fields[at]), 0);
  return { parent: Number(fields[1]), ticks };
}
