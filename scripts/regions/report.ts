/** What drills have shown, as one screen and as data. */
import Table from 'cli-table3';
import colors from 'picocolors';

import { latencyOf, type Latency } from '../bench/latency';
import type { Machine } from '../bench/machine';
import type { DrillReport } from './drill-judgement';
import type { Drilled } from './drills';

/** The file that `--json` writes. */
export interface DrillsReport extends Drilled {
  /** No promise was broken. */
  readonly ok: boolean;
  readonly command: string;
  readonly machine: Machine;
  readonly rtoMs: Latency;
  readonly writeGapMs: Latency;
}

export const reportOf = (
  command: string,
  machine: Machine,
  { drills, stoppedBy }: Drilled,
): DrillsReport => ({
  ok: stoppedBy === null && drills.every(({ broken }) => broken.length === 0),
  command,
  machine,
  rtoMs: latencyOf(drills.map(({ rtoMs }) => rtoMs)),
  writeGapMs: latencyOf(drills.map(({ writeGapMs }) => writeGapMs)),
  drills,
  stoppedBy,
});

const head = [
  ...['drill', 'way', 'acked', 'lost', 'unknown (applied)', 'gap', 'RPO', 'RTO'],
  ...['stale refused', 'stale acked', 'rejoin', 'orders ended'],
];

export function printDrills(report: DrillsReport): void {
  const { ok, drills, rtoMs, writeGapMs, machine, command, stoppedBy } = report;
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...drills.map(rowOf));
  console.log(`\n${colors.bold(command)}`);
  console.log(
    colors.dim(
      `${machine.cpu}, ${machine.cores} cores, load before ${machine.loadBefore.toFixed(1)}; ${machine.versions.join(', ')}`,
    ),
  );
  console.log(table.toString());
  console.log(
    `RTO p50 ${rtoMs.p50} ms, p95 ${rtoMs.p95} ms; write gap p50 ${writeGapMs.p50} ms, p95 ${writeGapMs.p95} ms.`,
  );
  const broken = drills.flatMap((drill) => drill.broken);
  for (const sentence of broken) console.log(colors.red(sentence));
  if (stoppedBy !== null) console.log(colors.red(stoppedBy));
  if (ok) console.log(colors.green('No promise was broken.'));
}

const rowOf = (drill: DrillReport): (string | number)[] => [
  drill.killedAt ?? drill.kind,
  `${drill.from} → ${drill.to}`,
  drill.acked,
  drill.lost,
  `${drill.unknown} (${drill.unknownApplied})`,
  `${drill.writeGapMs} ms`,
  `${drill.rpoMs} ms`,
  `${drill.rtoMs} ms`,
  drill.refusedStaleWrites,
  drill.ackedStaleWrites,
  `${drill.rejoinMs} ms`,
  Object.entries(drill.started.endings)
    .map(([state, n]) => `${state} ${n}`)
    .join(', '),
];
