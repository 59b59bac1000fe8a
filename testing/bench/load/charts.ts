/** The charts of a load: file name and SVG of each. */
import { lineChart, type Series } from '../chart';
import { grownMost, type Growth } from './growth';
import type { LoadMeasurement } from './load';

const seconds = 'seconds since the beginning';
const tablesMost = 8;

export function chartsOf({ moments, growth }: LoadMeasurement): ReadonlyMap<string, string> {
  const over = (of: (moment: LoadMeasurement['moments'][number]) => number | undefined) =>
    moments.map((moment) => [moment.atSeconds, of(moment)] as const);
  const charts: [string, string][] = [
    [
      'rate.svg',
      lineChart({
        ...{ title: 'Transactions a second', x: seconds, y: 'a second' },
        series: [
          { name: 'offered', points: over(({ offeredPerSecond }) => offeredPerSecond) },
          { name: 'ended', points: over(({ endedPerSecond }) => endedPerSecond) },
        ],
      }),
    ],
    [
      'latency.svg',
      lineChart({
        ...{ title: 'From due to ended', x: seconds, y: 'milliseconds' },
        series: [
          { name: 'p50', points: over(({ p50 }) => p50) },
          { name: 'p99', points: over(({ p99 }) => p99) },
        ],
      }),
    ],
  ];
  if (growth.length > 1) {
    charts.push(
      [
        'memory.svg',
        lineChart({
          ...{ title: 'Memory of the processes', x: seconds, y: 'MiB' },
          series: seriesOf(growth, ({ memory }) => memory, Object.keys(growth[0]?.memory ?? {})),
        }),
      ],
      [
        'tables.svg',
        lineChart({
          ...{ title: 'Files of the tables that grew most', x: seconds, y: 'MiB' },
          series: seriesOf(growth, ({ tables }) => tables, grownMost(growth, tablesMost)),
        }),
      ],
    );
  }
  return new Map(charts);
}

const seriesOf = (
  growth: readonly Growth[],
  of: (look: Growth) => Readonly<Record<string, number>>,
  names: readonly string[],
): readonly Series[] =>
  names.map((name) => ({
    name,
    points: growth.map((look) => [look.atSeconds, of(look)[name]] as const),
  }));
