/**
 * npm run crash-points: every flow, killed and failed at every point of every activity that it calls, forward and while
 * it is undone, and its zombies; on real processes. Each transaction must end, and the books must be sound.
 */
import { writeFileSync } from 'node:fs';

import Table from 'cli-table3';
import { Command, InvalidArgumentError, Option } from 'commander';
import colors from 'picocolors';

import { faultPoints, type FaultPoint } from '../processes/fault-points';
import { machineOf } from './bench/machine';
import { build } from './build';
import {
  crashes,
  recordedActivities,
  textOf,
  ways,
  type Crash,
  type Way,
} from './crash-points/cases';
import { playCrashPoints, type CrashReport, type PlayedPoint } from './crash-points/run';
import { interruption } from './interruption';
import { profiles, type Profile } from './stack/profile';
import { bringUp } from './stack/stack';
import { exitWithoutVerdict } from './without-verdict';

interface Options {
  readonly flow?: readonly Way[];
  readonly activity?: readonly string[];
  readonly point?: readonly FaultPoint[];
  readonly crash?: readonly Crash[];
  readonly json?: string;
  readonly jobs: number;
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
  profile,
}: Options): Promise<void> {
  const [stack] = await Promise.all([bringUp(profile), build()]);
  const machine = await machineOf(profile);
  const report = await playCrashPoints({
    stack,
    ways: flow,
    only: {
      ...(activity && { activities: activity }),
      ...(point && { points: point }),
      ...(crash && { crashes: crash }),
    },
    workers: jobs,
    interrupted: interruption(),
    say: (line) => console.error(line),
  });
  print(report, flow);
  const verdict = verdictOf(report);
  if (json !== undefined) {
    const whole = { verdict, machine, ...report };
    writeFileSync(json, `${JSON.stringify(whole, undefined, 2)}\n`);
  }
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

function print(report: CrashReport, flow: readonly Way[]): void {
  const { played, books, kills, seconds } = report;
  for (const one of played.filter(({ outcome }) => outcome !== 'proven')) {
    console.log(colors.red(`${one.outcome}: ${textOf(one.point)}: ${one.detail} (${one.gid})`));
  }
  for (const { oracle, row } of books.violations)
    console.log(colors.red(`${oracle}: ${JSON.stringify(row)}`));
  const table = new Table({
    head: [
      'flow',
      'forward',
      'undone',
      'zombies',
      'completed',
      'compensated',
      'parked',
      'not proven',
    ],
    style: { compact: true },
  });
  for (const way of flow) {
    const of = played.filter(({ point }) => point.way === way);
    const count = (wanted: (one: PlayedPoint) => boolean): number => of.filter(wanted).length;
    const isZombie = ({ point }: PlayedPoint): boolean => point.crash === 'zombie';
    table.push([
      way,
      count(({ point }) => point.planted === null),
      count((one) => one.point.planted !== null && !isZombie(one)),
      count(isZombie),
      ...['completed', 'compensated', 'parked'].map((state) => count((one) => one.state === state)),
      count(is('not proven')),
    ]);
  }
  console.log(table.toString());
  for (const way of flow) {
    const of = played.filter(({ point }) => point.way === way);
    console.log(
      `${way}: ${of.length} crash points, ${of.filter(is('violated')).length} violations`,
    );
  }
  const zombies = played.filter(({ point }) => point.crash === 'zombie');
  if (zombies.length > 0) {
    const fenced = zombies.filter(({ wasFenced }) => wasFenced).length;
    console.log(
      `${zombies.length} zombies, ${fenced} of which came back to the fence after their undo`,
    );
  }
  const verdict = verdictOf(report);
  const paint = verdict === 'proven' ? colors.green : colors.red;
  console.log(
    paint(
      `${verdict}: ${played.length} crash points, ${kills} processes killed, ${books.asked} oracles asked, ` +
        `${books.violations.length} violations, ${seconds} s`,
    ),
  );
}

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
  if (!Number.isInteger(jobs) || jobs < 2) throw new InvalidArgumentError('A whole number from 2.');
  return jobs;
}

new Command('crash-points')
  .description('Kills and fails every flow at every point, and looks whether it ends right.')
  .option('--flow <names>', `only these, separated by commas: ${ways.join(', ')}`, listOf(ways))
  .option('--activity <types>', 'only at these, e.g. accord.endRun', listOf(callsOfWays))
  .option('--point <names>', 'only these points', listOf(faultPoints))
  .option('--crash <names>', `only these: ${crashes.join(', ')}`, listOf(crashes))
  .option('-j, --jobs <number>', 'worker processes', jobsOf, 2)
  .option('--json <file>', 'write the report there')
  .addOption(new Option('-p, --profile <name>', 'whose servers').choices(profiles).default('test'))
  .addHelpText('after', '\nExit code: 0 proven, 1 violated, 2 it could not be run, 3 not proven.')
  .action(crashPoints)
  .exitOverride()
  .parseAsync()
  .catch(exitWithoutVerdict);
