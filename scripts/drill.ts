/** npm run drill: a cluster of two regions under load loses one of them, as often as is asked for, and what was acknowledged is counted. */
import { writeFileSync } from 'node:fs';

import Table from 'cli-table3';
import { Argument, Command, InvalidArgumentError } from 'commander';
import colors from 'picocolors';

import { drillKinds, runDrill, type DrillKind, type DrillReport } from './regions/drills';
import { bringUpCluster } from './regions/cluster';
import { takeDown } from './stack/stack';
import { reasonOf } from './stack/waiting';

interface Options {
  readonly times: number;
  readonly json?: string;
  readonly keep?: boolean;
}

const workers = 2;

new Command('drill')
  .description(
    'Loses a region under load, switches to the other one, and brings the lost one back.',
  )
  .addArgument(new Argument('<kind>', 'what happens').choices(drillKinds))
  .option('--times <number>', 'how often', timesOf, 1)
  .option('--json <file>', 'write the report there')
  .option('--keep', 'leave everything up')
  .addHelpText('after', '\nExit code: 0 nothing acknowledged was lost, 1 a promise was broken.')
  .action(drill)
  .parseAsync()
  .then(
    () => process.exit(),
    (error: unknown) => {
      console.error(colors.red(reasonOf(error)));
      process.exit(1);
    },
  );

async function drill(kind: DrillKind, { times, json, keep }: Options): Promise<void> {
  const cluster = await bringUpCluster({ workers, say });
  try {
    const drills: DrillReport[] = [];
    for (let n = 1; n <= times; n += 1) {
      say(`${kind}, ${n} of ${times} …`);
      drills.push(await runDrill(kind, cluster, say));
    }
    const ok = drills.every(({ broken }) => broken.length === 0);
    console.log(tableOf(drills));
    for (const sentence of drills.flatMap(({ broken }) => broken))
      console.log(colors.red(sentence));
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify({ ok, drills }, undefined, 2)}\n`);
    if (!ok) process.exitCode = 1;
  } finally {
    if (keep !== true) await takeDown('regions');
  }
}

function tableOf(drills: readonly DrillReport[]): string {
  const table = new Table({
    head: ['drill', 'acked', 'lost', 'unknown (applied)', 'gap', 'RTO', 'stale refused', 'fence'],
    style: { head: [], border: [] },
  });
  for (const each of drills)
    table.push([
      each.kind,
      each.acked,
      each.lost,
      `${each.unknown} (${each.unknownApplied})`,
      `${each.writeGapMs} ms`,
      `${each.rtoMs} ms`,
      each.refusedStaleWrites,
      each.fence,
    ]);
  return table.toString();
}

function timesOf(text: string): number {
  const times = Number(text);
  if (Number.isInteger(times) && times >= 1 && times <= 100) return times;
  throw new InvalidArgumentError('It is a whole number, 1 to 100.');
}

function say(line: string): void {
  console.error(colors.dim(line));
}
