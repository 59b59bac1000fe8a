/** What drills have shown, as one screen and as data. */

import { latencyOf, type Latency } from '../bench/latency';
import type { Machine } from '../bench/machine';
import { colors, print, type Verdict } from '../../scripts/report';
import type { DrillReport } from './evaluation';
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

/** Drill by drill, line by line: a drill has more figures than a line has room for. */
export function printDrills({
  drills,
  rtoMs,
  writeGapMs,
  machine,
  command,
  stoppedBy,
}: DrillsReport): void {
  print(`\n${colors.bold(command)}`);
  const { cpu, cores, loadBefore, versions } = machine;
  print(colors.dim(`${cpu}, ${cores} cores, load before ${loadBefore.toFixed(1)}`));
  print(colors.dim(versions.join(', ')));
  for (const drill of drills) for (const line of linesOf(drill)) print(line);
  print(
    `\nRTO p50 ${rtoMs.p50} ms, p95 ${rtoMs.p95} ms; write gap p50 ${writeGapMs.p50} ms, p95 ${writeGapMs.p95} ms.`,
  );
  for (const sentence of drills.flatMap((drill) => drill.broken)) print(colors.red(sentence));
  if (stoppedBy !== null) print(colors.red(stoppedBy));
}

export const verdictOf = ({ ok, drills, stoppedBy }: DrillsReport): Verdict => {
  const broken = drills.flatMap((drill) => drill.broken).length;
  const ended = stoppedBy === null ? '' : ', and the last drill did not come to its end';
  return {
    ok,
    sentence: ok ? 'No promise was broken.' : `${broken} promises were broken${ended}.`,
  };
};

const linesOf = (drill: DrillReport): readonly string[] => [
  `\n${colors.bold(drill.killedAt ?? drill.kind)}  ${drill.from} → ${drill.to}`,
  `  writes  ${drill.acked} acknowledged, ${drill.lost} lost, ${drill.unknown} unknown (${drill.unknownApplied} applied)`,
  `  stale   ${drill.refusedStaleWrites} refused, ${drill.ackedStaleWrites} acknowledged`,
  `  times   gap ${drill.writeGapMs} ms, RPO ${drill.rpoMs} ms, RTO ${drill.rtoMs} ms, rejoin ${drill.rejoinMs} ms`,
  `  orders  ${Object.entries(drill.started.endings)
    .map(([state, n]) => `${state} ${n}`)
    .join(', ')}`,
];
