/**
 * A region's agent on this machine: kills and starts the region's MySQL when it is told to, and tells what the other
 * region looks like from here.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { Command, Option } from 'commander';
import { z } from 'zod';

import { probeOrderSchema } from '../../activities/regions/switch/agent-probe';
import { probeFrom } from './agent-vantage';
import { findProgram, runCommand } from '../stack/command';
import { debianServers, unpackedProgram } from '../stack/debian-packages';
import { isAlive, signal } from '../stack/process';
import { folderOf, regions, type Region } from '../stack/profile';
import { standardProgress } from '../stack/progress';
import { restartServer, serverProcess } from '../stack/stack';
import { pause, reasonOf } from '../../runtime/waiting';
import { serveLines } from '../../runtime/json-lines';

const profile = 'regions';
const lookEveryMs = 5;
const exportMs = 60_000;

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

/** @returns where the transactions stand, in words: a person reads them. */
async function exportTransactions(gtids: string): Promise<string> {
  const folder = join(folderOf(profile), 'errant');
  mkdirSync(folder, { recursive: true });
  const data = join(folderOf(profile), 'data', name);
  const logs = readdirSync(data).filter((file) => /^bin\.\d+$/.test(file));
  const file = join(folder, `${region}-${new Date().toISOString().replaceAll(':', '-')}.sql`);
  const { file: program, args } = await mysqlbinlog();
  await runCommand(
    program,
    [
      ...args,
      '--no-defaults',
      `--include-gtids=${gtids}`,
      '--base64-output=DECODE-ROWS',
      '-vv',
      `--result-file=${file}`,
      ...logs.map((log) => join(data, log)),
    ],
    { timeoutMs: exportMs },
  );
  return file;
}

async function mysqlbinlog(): Promise<{ readonly file: string; readonly args: readonly string[] }> {
  const file = findProgram('mysqlbinlog');
  if (file !== undefined) return { file, args: [] };
  return unpackedProgram(await debianServers(standardProgress()), 'bin/mysqlbinlog');
}

async function start(): Promise<void> {
  if (!serverProcess(profile, name)) await restartServer(profile, name);
}

const orderSchema = z.union([
  z.strictObject({ kill: z.literal(true) }),
  z.strictObject({ start: z.literal(true) }),
  z.strictObject({ export: z.string().regex(/^[0-9a-f:,-]+$/i) }),
  probeOrderSchema,
]);

async function obey(order: z.infer<typeof orderSchema>): Promise<object> {
  if ('probe' in order) return { probed: await probeFrom(region, order) };
  if ('kill' in order) await kill();
  else if ('start' in order) await start();
  else return { file: await exportTransactions(order.export) };
  return {};
}

const server = createServer((socket) =>
  serveLines(socket, async (order) => {
    try {
      return { ok: true, ...(await obey(orderSchema.parse(order))) };
    } catch (error) {
      return { ok: false, error: reasonOf(error) };
    }
  }),
);
server.listen(Number(control), '127.0.0.1', () =>
  console.log(`The agent of region ${region} takes orders on port ${control}.`),
);
process.on('SIGTERM', () => process.exit());
