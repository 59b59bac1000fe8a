import { colors, print, tableOf } from '../../scripts/report';
import type { CostFigures } from './costs';
import type { Measurement } from './hot-account';
import type { InvariantFigures } from './invariants';
import type { Latency } from './latency';
import type { CpuSeconds, Machine } from './machine';
import type { RelayFigures } from './relay';
import { isBounded, type StatementFigures } from './statements';

/** What was measured, and on what. */
export interface BenchReport extends Measurement {
  /** That measures it again. */
  readonly command: string;
  readonly machine: Machine;
}

/** The checks of the books: time of a round, and the plan of each check of what changed lately. */
export function printInvariants({
  command,
  machine,
  figures,
}: {
  readonly command: string;
  readonly machine: Machine;
  readonly figures: InvariantFigures;
}): void {
  printHead(command, machine);
  const { transactions, fillSeconds, rounds, plans } = figures;
  print(`\n  ${transactions} transactions, filled in ${fillSeconds.toFixed(0)} s`);
  print(
    tableOf(
      ['scope', 'rounds', 'p50 ms', 'p95', 'max', 'rows judged', 'slowest'],
      rounds.map(({ scope, ms, rows, slowest }) => {
        return [scope, ms.count, ms.p50, ms.p95, ms.max, rows, slowest.join('\n')];
      }),
    ),
  );
  print(
    tableOf(
      ['check', 'database', 'table, type, key, rows'],
      plans.map(({ id, database, steps: of }) => {
        const lines = of.map((step) => `${step.table} ${step.type} ${step.key} ${step.rows}`);
        return [id, database, lines.join('\n')];
      }),
    ),
  );
}

/** Every statement with what it reads; what reads more than it may is red. */
export function printStatements({
  command,
  machine,
  figures: { rows, fillSeconds, statements },
}: {
  readonly command: string;
  readonly machine: Machine;
  readonly figures: StatementFigures;
}): void {
  printHead(command, machine);
  print(`\n  ${rows} rows wait and ${rows} are done; filled in ${fillSeconds.toFixed(0)} s`);
  print(
    tableOf(
      ['who', 'statement', 'rows read', 'at most', 'median ms', 'plan'],
      statements.map((figure) => {
        const { who, statement, rowsRead, rowsMax, medianMs, plan } = figure;
        const read = isBounded(figure) ? String(rowsRead) : colors.red(String(rowsRead));
        return [who, statement, read, rowsMax, medianMs, plan.join('\n')];
      }),
    ),
  );
}

export function printCosts({
  command,
  machine,
  figures,
}: {
  readonly command: string;
  readonly machine: Machine;
  readonly figures: readonly CostFigures[];
}): void {
  printHead(command, machine);
  print(
    tableOf(
      ['of one', 'statements', 'commits', 'log flushes', 'completed'],
      figures.map(({ flow, statements, commits, logFlushes, completed, transactions }) => [
        flow,
        ...[statements, commits, logFlushes].map((number) => number.toFixed(1)),
        `${completed} of ${transactions}`,
      ]),
    ),
  );
}

export function printRelay({
  command,
  machine,
  figures: { waiting, events, eventsPerSecond, calls, counters },
}: {
  readonly command: string;
  readonly machine: Machine;
  readonly figures: RelayFigures;
}): void {
  printHead(command, machine);
  print(
    `\n  ${colors.bold(`${eventsPerSecond.toFixed(0)} events/s`)} over ${events} events, ${waiting} waiting`,
  );
  printLatencies(calls);
  printCounters(counters);
}

export function printHead(command: string, machine: Machine): void {
  print(`\n${colors.bold(command)}`);
  print(
    `  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}; load before ${machine.loadBefore.toFixed(1)}`,
  );
  print(`  ${machine.versions.join(', ')}`);
}

export function printReport({ command, machine, figures, counters }: BenchReport): void {
  printHead(command, machine);
  const { paymentsPerSecond, seconds, earlyAnswer, ending, sqlRetries } = figures;
  print(
    `\n  ${colors.bold(`${paymentsPerSecond.toFixed(1)} payments/s`)} over ${seconds.toFixed(1)} s; ${sqlRetries} SQL transactions tried again inside the workers`,
  );
  printLatencies({ 'early answer': earlyAnswer, ending });
  printCpu(figures.cpu);
  printCounters(counters);
}

export function printCounters(counters: Measurement['counters'] | RelayFigures['counters']): void {
  const rows = counters.map(({ name, seen, expected }) => {
    const mark = seen === expected ? colors.green('✓') : colors.red('✗');
    return [name, seen, expected, mark];
  });
  print(tableOf(['', 'seen', 'expected', ''], rows));
}

export function printLatencies(latencies: Readonly<Record<string, Latency>>): void {
  const rows = Object.entries(latencies).map(([name, { count, p50, p95, p99, max }]) => {
    return [name, count, p50, p95, p99, max];
  });
  print(tableOf(['ms', 'count', 'p50', 'p95', 'p99', 'max'], rows));
}

function printCpu(cpu: CpuSeconds): void {
  const rows = [...cpu].map(([name, seconds]) => [name, seconds.toFixed(1)]);
  print(tableOf(['process', 'CPU seconds'], rows));
}
