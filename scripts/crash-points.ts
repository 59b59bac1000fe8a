/**
 * npm run crash-points: every flow, killed and failed at every point of every activity that it calls, forward and while
 * it is undone, its zombies and stalls; on real processes. Each transaction must end, and the books must be sound.
 */
import { Command, InvalidArgumentError, Option } from 'commander';

import type { LaneMode } from '../api/transactions/lanes';
import { laneOption } from './lane-option';
import { faultPoints, type FaultPoint } from '../runtime/faults/points';
import {
  colors,
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommandAndLeave,
  say,
  tableOf,
  type JsonTarget,
} from './report';
import { machineOf } from '../testing/bench/machine';
import { build } from '../testing/environment/build';
import {
  crashes,
  isStop,
  recordedActivities,
  textOf,
  ways,
  type Crash,
  type Way,
} from '../testing/crash-points/cases';
import { playCrashPoints, type CrashReport, type PlayedPoint } from '../testing/crash-points/run';
import { interruption } from '../testing/environment/interruption';
import { profiles, type Profile } from '../testing/stack/profile';
import { bringUp } from '../testing/stack/stack';

interface Options {
  readonly flow?: readonly Way[];
  readonly activity?: readonly string[];
  readonly point?: readonly FaultPoint[];
  readonly crash?: readonly Crash[];
  readonly json?: JsonTarget;
  readonly jobs: number;
  readonly lane: LaneMode;
  readonly profile: Profile;
}

const callsOfWays = [...new Set(ways.flatMap(recordedActivities))];
const exitCodes = { proven: 0, violated: 1, 'not proven': 3 } as const;

async function crashPoints({
  flow = ways,
  activity,
  point,
  crash,
  json,
  jobs,
  lane,
  profile,
}: Options): Promise<void> {
  reportTo(json);
  const [stack] = await Promise.all([bringUp(profile), build()]);
  const machine = await machineOf(profile);
  const report = await playCrashPoints({
    ...{ stack, lane },
    ways: flow,
    only: {
      ...(activity && { activities: activity }),
      ...(point && { points: point }),
      ...(crash && { crashes: crash }),
    },
    workers: jobs,
    interrupted: interruption(),
    say,
  });
  show(report, flow);
  const verdict = verdictOf(report);
  const whole = { verdict, machine, ...report };
  conclude(json, whole, { ok: verdict === 'proven', sentence: sentenceOf(report) });
  process.exitCode = exitCodes[verdict];
}

function verdictOf({ played, books }: CrashReport): keyof typeof exitCodes {
  const isViolated = books.violations.length > 0 || played.some(is('violated'));
  if (isViolated) return 'violated';
  const isProven = played.length > 0 && books.asked > 0 && played.every(is('proven'));
  return isProven ? 'proven' : 'not proven';
}

const is =
  (outcome: PlayedPoint['outcome']) =>
  (one: PlayedPoint): boolean =>
    one.outcome === outcome;

const head = [
  ...['flow', 'forward', 'undone', 'zombies', 'stalls'],
  ...['completed', 'compensated', 'parked', 'not proven'],
];

function show({ played, books }: CrashReport, flow: readonly Way[]): void {
  for (const one of played.filter(({ outcome }) => outcome !== 'proven')) {
    print(colors.red(`${one.outcome}: ${textOf(one.point)}: ${one.detail} (${one.gid})`));
  }
  for (const { oracle, row } of books.violations)
    print(colors.red(`${oracle}: ${JSON.stringify(row)}`));
  const of = (way: Way) => played.filter(({ point }) => point.way === way);
  print(
    tableOf(
      head,
      flow.map((way) => rowOf(way, of(way))),
    ),
  );
  for (const way of flow) {
    const violations = of(way).filter(is('violated')).length;
    print(`${way}: ${of(way).length} crash points, ${violations} violations`);
  }
  const zombies = played.filter(isZombie);
  if (zombies.length === 0) return;
  const fenced = zombies.filter(({ wasFenced }) => wasFenced).length;
  print(`${zombies.length} zombies; the fence saw ${fenced} of them after their undo`);
}

const isZombie = ({ point }: PlayedPoint): boolean => point.crash === 'zombie';

function rowOf(way: Way, played: readonly PlayedPoint[]): (string | number)[] {
  const count = (wanted: (one: PlayedPoint) => boolean): number => played.filter(wanted).length;
  return [
    way,
    count(({ point }) => point.planted === null && !isStop(point.crash)),
    count(({ point }) => point.planted !== null && !isStop(point.crash)),
    count(isZombie),
    count(({ point }) => point.crash === 'stall'),
    ...['completed', 'compensated', 'parked'].map((state) => count((one) => one.state === state)),
    count(is('not proven')),
  ];
}

const sentenceOf = (report: CrashReport): string =>
  `${verdictOf(report)}: ${report.played.length} crash points, ${report.kills} processes killed, ` +
  `${report.books.asked} checks asked, ${report.books.violations.length} violations, ${report.seconds} s`;

const listOf =
  <Name extends string>(names: readonly Name[]) =>
  (text: string): readonly Name[] =>
    text.split(',').map((part) => {
      const known = names.find((name) => name === part);
      if (known === undefined) throw new InvalidArgumentError(`One of: ${names.join(', ')}.`);
      return known;
    });

function jobsOf(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 2)
    throw new InvalidArgumentError('It must be a whole number, at least 2.');
  return jobs;
}

runCommandAndLeave(
  new Command('crash-points')
    .description('Injects a crash or failure at every point of every flow, and checks its ending.')
    .option(
      '--flow <names>',
      `only these flows, separated by commas: ${ways.join(', ')}`,
      listOf(ways),
    )
    .option(
      '--activity <types>',
      'only at these activities, e.g. accord.endRun',
      listOf(callsOfWays),
    )
    .option('--point <names>', 'only these points', listOf(faultPoints))
    .option('--crash <names>', `only these crashes: ${crashes.join(', ')}`, listOf(crashes))
    .option('-j, --jobs <number>', 'worker processes', jobsOf, 2)
    .addOption(laneOption())
    .addOption(jsonOption())
    .addOption(
      new Option('-p, --profile <name>', 'profile of the servers')
        .choices(profiles)
        .default('test'),
    )
    .addHelpText('after', '\nExit code: 0 proven, 1 violated, 2 it could not be run, 3 not proven.')
    .action(crashPoints),
);
