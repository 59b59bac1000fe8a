/** What a comparison is told as. */
import { colors, print, tableOf } from '../../../scripts/report';
import type { Machine } from '../machine';
import { printHead } from '../report';
import type { ArmFigures, Sweep } from './compare';
import { ratiosOf } from './figures';
import { published } from './published';

export interface CompareReport {
  readonly command: string;
  readonly machine: Machine;
  readonly arms: readonly ArmFigures[];
}

const isOurs = (name: string): boolean => name.startsWith('accord-');

export const isRight = ({ arms }: Pick<CompareReport, 'arms'>): boolean =>
  arms.every(({ violations, transfers }) => violations === 0 && transfers > 0);

/** What `--json` writes. */
export const summaryOf = (report: CompareReport): object => ({
  ok: isRight(report),
  arms: report.arms.map(({ perSecond, cpuMsPerTransaction, ...arm }) => ({
    ...arm,
    perSecond: rounded(perSecond),
    cpuMsPerTransaction: rounded(cpuMsPerTransaction),
  })),
  ratios: ratiosOf(report.arms, isOurs),
  machine: report.machine,
  ...{ published, command: report.command },
});

const rounded = (value: number): number => Math.round(value * 100) / 100;

export function printCompare(report: CompareReport): void {
  printHead(report.command, report.machine);
  const { arms } = report;
  print(
    tableOf(
      ['arm', 'in flight', '/s', 'p50 ms', 'p99 ms', 'CPU ms', 'counted', 'wrong'],
      arms.map(({ name, inFlight, perSecond, p50, p99, transfers, violations, ...arm }) => [
        ...[name, inFlight, perSecond.toFixed(1), p50, p99],
        ...[arm.cpuMsPerTransaction.toFixed(2), transfers],
        violations === 0 ? colors.green('0') : colors.red(String(violations)),
      ]),
    ),
  );
  for (const { name, wrong } of arms)
    for (const { name: what, count } of wrong)
      if (count !== 0) print(colors.red(`${name}: ${what}: ${count}`));
  const ratios = Object.entries(ratiosOf(arms, isOurs));
  for (const [name, others] of ratios) {
    const told = Object.entries(others).map(([other, ratio]) => `${ratio} × ${other}`);
    if (told.length > 0) print(`${name}: ${told.join(', ')}`);
  }
  print('\nPublished by their makers, on other machines, not measured here:');
  for (const { name, perSecond, what, source } of published)
    print(`  ${name}: ${perSecond === null ? '' : `${perSecond}/s, `}${what}\n    ${source}`);
}

export function printSweep(sweep: readonly Sweep[]): void {
  print(
    tableOf(
      ['arm', 'in flight', '/s', 'p50 ms', 'p99 ms', 'CPU ms'],
      sweep.map(({ name, inFlight, turn }) => [
        ...[name, inFlight, turn.perSecond.toFixed(1), turn.p50, turn.p99],
        turn.cpuMsPerTransaction.toFixed(2),
      ]),
    ),
  );
}
