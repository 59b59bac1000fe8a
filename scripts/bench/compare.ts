/** npm run bench -- compare: the same transfer with and without coordinators, in one run, every one counted. */
import { Command, InvalidArgumentError } from 'commander';

import type { Arm, Surroundings } from '../../testing/bench/compare/arm';
import { arms } from '../../testing/bench/compare/arms';
import { measureArms, sweepArms } from '../../testing/bench/compare/compare';
import {
  isRight,
  printCompare,
  printSweep,
  summaryOf,
  type CompareReport,
} from '../../testing/bench/compare/report';
import { variablesOfLoad } from '../../testing/bench/load/load';
import { machineOf } from '../../testing/bench/machine';
import {
  bringUpApplication,
  stopAll,
  type LocalApplication,
} from '../../testing/environment/local-application';
import { bringUp, readStack, takeDown, type Profile, type Stack } from '../../testing/stack/stack';
import { conclude, jsonOption, reportTo, say, type JsonTarget } from '../report';
import { profileOption, seconds, secondsOrNone, wholeNumber } from './options';

interface CompareOptions {
  readonly arms: readonly Arm[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly inFlight?: number;
  readonly sweep?: boolean;
  readonly workers: number;
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

const defaults = { rounds: 3, seconds: 3, warmUp: 1 } as const;
/** Numbers in flight of a sweep: each twice the one before. */
const numbers = [4, 8, 16, 32, 64, 128, 256] as const;
const names = arms.map(({ name }) => name).join(', ');

export const compareCommand = (): Command =>
  new Command('compare')
    .description(
      'The same transfer by Accord and by others, in turn, on the same machine and MySQL.',
    )
    .option('--arms <names>', `only these, separated by commas: ${names}`, armsOf, arms)
    .option(
      '--rounds <number>',
      'each arm has a turn in each of them',
      wholeNumber,
      defaults.rounds,
    )
    .option('--seconds <number>', 'measured time of a turn', seconds, defaults.seconds)
    .option('--warm-up <seconds>', 'of a turn, not measured', secondsOrNone, defaults.warmUp)
    .option('--in-flight <number>', 'for all arms, instead of the best of each', wholeNumber)
    .option('--sweep', `instead: each arm at ${numbers.join(', ')} in flight`)
    .option('-w, --workers <number>', "Accord's transaction workers", wholeNumber, 2)
    .addOption(jsonOption())
    .addOption(profileOption())
    .addHelpText(
      'after',
      `
The first run installs the packages of Restate, DBOS and PostgreSQL into the cache of the servers (300 MB).
Exit code: 0 every count is right, 1 a count is wrong, 2 it could not be run.`,
    )
    .action(compare);

async function compare(options: CompareOptions): Promise<void> {
  reportTo(options.json);
  const { profile } = options;
  const wasUp = (await readStack(profile)) !== undefined;
  const stack = await bringUp(profile);
  const accord = onceUp(profile, options.workers);
  try {
    const run = Date.now().toString(36);
    const ground: Surroundings = { stack, run, say, accord: accord.up };
    await measure(options, ground, stack);
  } finally {
    await accord.down();
    if (!wasUp) await takeDown(profile);
  }
}

async function measure(options: CompareOptions, ground: Surroundings, stack: Stack): Promise<void> {
  const { rounds, seconds: time, warmUp: warmUpSeconds, inFlight, json } = options;
  const times = { seconds: time, warmUpSeconds };
  const machine = await machineOf(stack.profile);
  if (options.sweep === true) {
    const sweep = await sweepArms(options.arms, ground, stack.profile, times, numbers);
    printSweep(sweep);
    conclude(json, { sweep, machine }, { ok: true, sentence: 'Nothing is counted in a sweep.' });
    return;
  }
  const chosen = options.arms.map((arm) => (inFlight === undefined ? arm : { ...arm, inFlight }));
  const measured = await measureArms(chosen, ground, stack.profile, { ...times, rounds });
  const report: CompareReport = { command: commandOf(options), machine, arms: measured };
  printCompare(report);
  const ok = isRight(report);
  const sentence = ok ? 'Every count is right.' : 'A count is wrong: no figure of this counts.';
  conclude(json, summaryOf(report), { ok, sentence });
  if (!ok) process.exitCode = 1;
}

/** The application, brought up by the first arm that needs it; what was started is stopped. */
function onceUp(profile: Profile, workers: number) {
  let coming: Promise<LocalApplication> | undefined;
  return {
    up: () =>
      (coming ??= bringUpApplication(profile, {
        workers,
        say,
        variables: variablesOfLoad('mixed'),
      })),
    async down(): Promise<void> {
      const local = await coming?.catch(() => undefined);
      if (local) await stopAll(local.application, local.started);
    },
  };
}

function armsOf(text: string): readonly Arm[] {
  return text.split(',').map((name) => {
    const found = arms.find((arm) => arm.name === name.trim());
    if (!found) throw new InvalidArgumentError(`${name} is none of ${names}.`);
    return found;
  });
}

function commandOf({
  arms: chosen,
  rounds,
  seconds: time,
  warmUp,
  inFlight,
  workers,
}: CompareOptions): string {
  const words = [
    ...(chosen.length === arms.length ? [] : ['--arms', chosen.map(({ name }) => name).join(',')]),
    ...['--rounds', rounds, '--seconds', time, '--warm-up', warmUp, '--workers', workers],
    ...(inFlight === undefined ? [] : ['--in-flight', inFlight]),
  ];
  return ['npm run bench -- compare', ...words].join(' ');
}
