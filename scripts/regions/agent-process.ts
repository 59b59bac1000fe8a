/** A region's agent on this machine: kills and starts the region's MySQL when it is told to. */
import { createServer } from 'node:net';

import { Command, Option } from 'commander';

import { isAlive, signal } from '../stack/process';
import { regions, type Region } from '../stack/profile';
import { restartServer, serverProcess } from '../stack/stack';
import { pause, reasonOf } from '../stack/waiting';
import { serveLines } from './json-lines';

const profile = 'regions';
const lookEveryMs = 5;

const { region, control } = new Command('agent')
  .addOption(new Option('--region <name>').choices(regions).makeOptionMandatory())
  .requiredOption('--control <port>', 'where it takes orders')
  .parse()
  .opts<{ readonly region: Region; readonly control: string }>();
const name = `mysql-${region}` as const;

/** Dead when this returns: nothing of it is left that could write. */
async function kill(): Promise<void> {
  const victim = serverProcess(profile, name);
  if (!victim) return;
  signal(victim, 'SIGKILL');
  while (isAlive(victim.pid, victim.startTime)) await pause(lookEveryMs);
}

async function start(): Promise<void> {
  if (!serverProcess(profile, name)) await restartServer(profile, name);
}

const server = createServer((socket) =>
  serveLines(socket, async (order) => {
    try {
      if (typeof order === 'object' && order !== null && 'kill' in order) await kill();
      else if (typeof order === 'object' && order !== null && 'start' in order) await start();
      else return { ok: false, error: 'It is told to kill or to start.' };
      return { ok: true };
    } catch (error) {
      return { ok: false, error: reasonOf(error) };
    }
  }),
);
server.listen(Number(control), '127.0.0.1', () =>
  console.log(`The agent of region ${region} takes orders on port ${control}.`),
);
process.on('SIGTERM', () => process.exit());
