/** What a run has shown, as one screen and as data. */

import type { Latency } from '../bench/latency';
import type { Machine } from '../bench/machine';
import { colors, print, tableOf } from '../../scripts/report';
import { isPassed, type Gate } from './gates';
import type { StruckFault } from './run';

export interface ChaosViolation {
  readonly checker: string;
  readonly gid?: string;
  readonly sentence: string;
}

export type Verdict = 'proven' | 'violated' | 'not proven';

/** report.json of a run's folder, and the file that `--json` writes. */
export interface ChaosReport {
  /** Proven: nothing was violated, and enough has happened. */
  readonly ok: boolean;
  readonly verdict: Verdict;
  readonly command: string;
  readonly seed: number;
  readonly minutes: number;
  readonly break: string | null;
  readonly machine: Machine;
  /** Calls of clients, those of unknown outcome among them. */
  readonly operations: number;
  readonly byKind: Readonly<Record<string, number>>;
  readonly unknown: number;
  readonly seenByClients: Readonly<Record<string, number>>;
  /** Faults that struck, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly missed: readonly string[];
  readonly kills: number;
  readonly restarts: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly sqlRetries: number;
  readonly stuckAttempts: number;
  readonly parked: { readonly planted: number; readonly resolved: number; readonly others: number };
  readonly recoveryMs: Latency;
  readonly quietAfterMs: number;
  readonly oracles: { readonly rounds: number; readonly asked: number };
  readonly checked: Readonly<Record<string, number>>;
  readonly replayed: Readonly<Record<string, number>>;
  readonly notAsked: readonly string[];
  readonly gates: readonly Gate[];
  readonly violations: readonly ChaosViolation[];
  /** Where its plan, what its clients saw and this report stand, from the checkout. */
  readonly folder: string;
}

const shownMax = 20;

export function countByName(faults: readonly StruckFault[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, hasStruck } of faults) if (hasStruck) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

export function verdictOf(violations: readonly ChaosViolation[], gates: readonly Gate[]): Verdict {
  if (violations.length > 0) return 'violated';
  return gates.every(isPassed) ? 'proven' : 'not proven';
}

/** 0 proven, 1 violated, 3 not proven. */
export const exitCodes: Readonly<Record<Verdict, number>> = {
  proven: 0,
  violated: 1,
  'not proven': 3,
};

export function printReport(report: ChaosReport): void {
  const { machine, recoveryMs, parked } = report;
  print(`\n${colors.bold(report.command)}`);
  print(
    `  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB; load before ${machine.loadBefore.toFixed(1)}`,
  );
  print(`  ${machine.versions.join(', ')}\n`);
  const rows = [
    ['operations', `${report.operations}: ${pairs(report.byKind)}`],
    ['seen by clients', `${pairs(report.seenByClients)}; ${report.unknown} of unknown outcome`],
    ['faults', pairs(report.faults)],
    ['', `${report.kills} kills, ${report.restarts} processes started again`],
    ['endings', pairs(report.endings)],
    ['fence', `${pairs(report.verdicts)}; ${report.sqlRetries} SQL transactions tried again`],
    [
      'stuck, parked',
      `${report.stuckAttempts} attempts of stuck steps; ${parked.planted} planted, ${parked.resolved} resolved, ${parked.others} parked by a fault`,
    ],
    [
      'recovery',
      `p50 ${recoveryMs.p50} ms, p95 ${recoveryMs.p95} ms, max ${recoveryMs.max} ms; quiet after ${report.quietAfterMs} ms`,
    ],
    [
      'checks',
      `${report.oracles.asked} asked, ${report.oracles.rounds} rounds; history: ${pairs(report.checked)}`,
    ],
    ['replayed', pairs(report.replayed)],
  ];
  print(tableOf(['what', 'how often'], rows));
  for (const { name, seen, atLeast } of report.gates.filter((gate) => !isPassed(gate))) {
    print(colors.yellow(`Too little: ${name}: ${seen}, at least ${atLeast} are needed.`));
  }
  for (const { checker, gid, sentence } of report.violations.slice(0, shownMax)) {
    print(colors.red(`${checker}${gid === undefined ? '' : `, ${gid}`}: ${sentence}`));
  }
  if (report.violations.length > shownMax) {
    print(colors.red(`… and ${report.violations.length - shownMax} more.`));
  }
  print(colors.dim(`The whole report: ${report.folder}`));
}

export function sentenceOf({ verdict, operations, kills, violations }: ChaosReport): string {
  const sums = `${operations} operations, ${kills} kills, ${violations.length} violations`;
  switch (verdict) {
    case 'proven':
      return `Proven: ${sums}.`;
    case 'violated':
      return `Violated: ${sums}.`;
    case 'not proven':
      return `Not proven: ${sums}, but too little has happened.`;
  }
}

const pairs = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
