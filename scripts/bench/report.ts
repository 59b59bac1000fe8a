import Table from 'cli-table3';
import colors from 'picocolors';

import type { Measurement } from './hot-account';
import type { InvariantFigures } from './invariants';
import type { Latency } from './latency';
import type { CpuSeconds, Machine } from './machine';
import type { RelayFigures } from './relay';
import { isBounded, type StatementFigures } from './statements';

const plain = { style: { head: [], border: [] } };

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
  const { transactions, fillSeconds, rounds, plans, violations } = figures;
  console.log(`\n  ${transactions} transactions, filled in ${fillSeconds.toFixed(0)} s`);
  const table = new Table({
    head: ['scope', 'rounds', 'p50 ms', 'p95', 'max', 'rows judged', 'slowest'],
    ...plain,
  });
  for (const { scope, ms, rows, slowest } of rounds) {
    table.push([scope, ms.count, ms.p50, ms.p95, ms.max, rows, slowest.join('\n')]);
  }
  console.log(table.toString());
  const steps = new Table({ head: ['check', 'database', 'table, type, key, rows'], ...plain });
  for (const { id, database, steps: of } of plans) {
    const lines = of.map((step) => `${step.table} ${step.type} ${step.key} ${step.rows}`);
    steps.push([id, database, lines.join('\n')]);
  }
  console.log(steps.toString());
  console.log(
    violations === 0 ? colors.green('  Nothing found.') : colors.red(`  ${violations} violations.`),
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
  console.log(`\n  ${rows} rows wait and ${rows} are done; filled in ${fillSeconds.toFixed(0)} s`);
  const table = new Table({
    head: ['who', 'statement', 'rows read', 'at most', 'median ms', 'plan'],
    colWidths: [22, 40, 8, 8, 8, 34],
    wordWrap: true,
    ...plain,
  });
  for (const figure of statements) {
    const { who, statement, rowsRead, rowsMax, medianMs, plan } = figure;
    const read = isBounded(figure) ? String(rowsRead) : colors.red(String(rowsRead));
    table.push([who, statement, read, rowsMax, medianMs, plan.join('\n')]);
  }
  console.log(table.toString());
  const unbounded = statements.filter((figure) => !isBounded(figure)).length;
  console.log(
    unbounded === 0
      ? colors.green('  No statement reads more than it may.')
      : colors.red(`  ${unbounded} statements read more than they may.`),
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
  console.log(
    `\n  ${colors.bold(`${eventsPerSecond.toFixed(0)} events/s`)} over ${events} events, ${waiting} waiting`,
  );
  printLatencies(calls);
  printCounters(counters);
}

function printHead(command: string, machine: Machine): void {
  console.log(`\n${colors.bold(command)}`);
  console.log(
    `  ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}; load before ${machine.loadBefore.toFixed(1)}`,
  );
  console.log(`  ${machine.versions.join(', ')}`);
}

export function printReport({ command, machine, figures, counters }: BenchReport): void {
  printHead(command, machine);
  const { paymentsPerSecond, seconds, earlyAnswer, ending, sqlRetries } = figures;
  console.log(
    `\n  ${colors.bold(`${paymentsPerSecond.toFixed(1)} payments/s`)} over ${seconds.toFixed(1)} s; ${sqlRetries} SQL transactions tried again inside the workers`,
  );
  printLatencies({ 'early answer': earlyAnswer, ending });
  printCpu(figures.cpu);
  printCounters(counters);
}

function printCounters(counters: Measurement['counters'] | RelayFigures['counters']): void {
  const table = new Table({ head: ['', 'seen', 'expected', ''], ...plain });
  for (const { name, seen, expected } of counters) {
    table.push([name, seen, expected, seen === expected ? colors.green('✓') : colors.red('✗')]);
  }
  console.log(table.toString());
}

function printLatencies(latencies: Readonly<Record<string, Latency>>): void {
  const table = new Table({ head: ['ms', 'count', 'p50', 'p95', 'p99', 'max'], ...plain });
  for (const [name, { count, p50, p95, p99, max }] of Object.entries(latencies)) {
    table.push([name, count, p50, p95, p99, max]);
  }
  console.log(table.toString());
}

function printCpu(cpu: CpuSeconds): void {
  const table = new Table({ head: ['process', 'CPU seconds'], ...plain });
  for (const [name, seconds] of cpu) table.push([name, seconds.toFixed(1)]);
  console.log(table.toString());
}
