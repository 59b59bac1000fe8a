/** What a load is told as: tables for the terminal, Markdown, and JSON. */
import type { LaneMode } from '../../../api/transactions/lanes';
import { colors, print, tableOf } from '../../../scripts/report';
import type { Latency } from '../latency';
import type { Machine } from '../machine';
import { printCounters, printHead, printLatencies } from '../report';
import type { LoadFlow } from './flows';
import type { LoadMeasurement } from './load';

export interface LoadReport extends LoadMeasurement {
  /** That measures it again. */
  readonly command: string;
  readonly machine: Machine;
  readonly flow: LoadFlow;
  /** How the starts were carried. */
  readonly lane: LaneMode;
  /** `null`: open loop. */
  readonly inFlight: number | null;
}

/** A load of which nothing has ended has proven nothing. */
export const isRight = ({ counters, figures }: Pick<LoadReport, 'counters' | 'figures'>): boolean =>
  figures.ended > 0 && counters.every(({ seen, expected }) => seen === expected);

/** What `--json` writes. `violations` counts every transaction and every row that is wrong. */
export function summaryOf(report: LoadReport): object {
  const { figures, counters, violations, moments, growth, command, machine } = report;
  const { ending, accepted, endings } = figures;
  return {
    ...{ ok: isRight(report), flow: report.flow, lane: report.lane, inFlight: report.inFlight },
    offeredPerSecond: rounded(figures.offeredPerSecond),
    perSecond: rounded(figures.perSecond),
    ...{ p50: ending.p50, p95: ending.p95, p99: ending.p99, endings },
    cpuMsPerTransaction: report.cpuMsPerTransaction,
    violations: violationsOf(report),
    ...{ ending, accepted, retries: figures.retries, kills: report.kills },
    ...{ measuredSeconds: rounded(report.measuredSeconds), cpuSeconds: report.cpuSeconds },
    ...{ counters, found: violations, command, machine, moments, growth },
  };
}

const violationsOf = ({ counters }: LoadReport): number =>
  counters.reduce((all, { seen, expected }) => all + Math.abs(Number(seen) - Number(expected)), 0);

const rounded = (value: number): number => Math.round(value * 10) / 10;

export function printLoad(report: LoadReport): void {
  printHead(report.command, report.machine);
  const { figures, measuredSeconds, kills } = report;
  const killed = kills === 0 ? '' : `; ${kills} workers killed`;
  print(
    `\n  ${colors.bold(`${figures.perSecond.toFixed(1)} ${report.flow}/s`)} over ${measuredSeconds.toFixed(0)} s, offered ${figures.offeredPerSecond.toFixed(1)}/s; ${endingsOf(report)}${killed}`,
  );
  const { accepted, ending } = figures;
  printLatencies({ ...(accepted.count > 0 && { accepted }), ending });
  print(tableOf(['CPU', 'seconds', 'ms a transaction'], cpuRowsOf(report)));
  printCounters(report.counters);
}

const endingsOf = ({ figures }: LoadReport): string =>
  Object.entries(figures.endings)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');

const cpuRowsOf = ({ cpuSeconds, cpuMsPerTransaction }: LoadReport): string[][] =>
  Object.entries(cpuMsPerTransaction).map(([name, ms]) => [
    name,
    (cpuSeconds[name] ?? Object.values(cpuSeconds).reduce((sum, one) => sum + one, 0)).toFixed(1),
    ms.toFixed(2),
  ]);

/** @param charts names of files that stand beside the text. */
export function markdownOf(report: LoadReport, charts: Iterable<string>): string {
  const { figures, machine, command, growth } = report;
  const { ending, accepted } = figures;
  const first = growth[0];
  const last = growth.at(-1);
  return [
    `# Load: ${report.flow}`,
    '',
    `\`${command}\``,
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.platform}; load before ${machine.loadBefore.toFixed(1)}. ${machine.versions.join(', ')}.`,
    '',
    ...markdownTable(
      ['offered/s', 'ended/s', 'p50 ms', 'p95 ms', 'p99 ms', 'max ms', 'endings'],
      [
        [
          figures.offeredPerSecond.toFixed(1),
          figures.perSecond.toFixed(1),
          ...[ending.p50, ending.p95, ending.p99, ending.max].map(String),
          endingsOf(report),
        ],
      ],
    ),
    '',
    `Latency counts from the time that a transaction was due until its caller knew the ending.${acceptedOf(accepted)}`,
    '',
    ...markdownTable(['CPU', 'seconds', 'ms a transaction'], cpuRowsOf(report)),
    '',
    ...markdownTable(
      ['counted', 'seen', 'expected'],
      report.counters.map(({ name, seen, expected }) => [name, seen, expected]),
    ),
    '',
    ...(first && last
      ? [
          ...markdownTable(
            ['table', `MiB at ${first.atSeconds} s`, `MiB at ${last.atSeconds} s`],
            Object.entries(last.tables).map(([name, size]) => [
              name,
              String(first.tables[name] ?? '< 1'),
              String(size),
            ]),
          ),
          '',
        ]
      : []),
    ...[...charts].map((name) => `![${name}](${name})\n`),
  ].join('\n');
}

const acceptedOf = ({ count, p50, p95, p99 }: Latency): string =>
  count === 0 ? '' : ` Until it was accepted: p50 ${p50}, p95 ${p95}, p99 ${p99} ms.`;

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}
