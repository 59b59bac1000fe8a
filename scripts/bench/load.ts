/** npm run bench -- load: how many transactions a second, how late, at what cost, and whether each ended once. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Command, Option } from 'commander';

import { chartsOf } from '../../testing/bench/load/charts';
import { loadFlows, spreads, type LoadFlow, type Spread } from '../../testing/bench/load/flows';
import { measureLoad, variablesOfLoad, type Load } from '../../testing/bench/load/load';
import {
  isRight,
  markdownOf,
  printLoad,
  summaryOf,
  type LoadReport,
} from '../../testing/bench/load/report';
import { steady, usersStages } from '../../testing/bench/load/schedule';
import { machineOf } from '../../testing/bench/machine';
import { bringUpApplication, stopAll } from '../../testing/environment/local-application';
import { takeDown, type Profile } from '../../testing/stack/stack';
import { laneOption } from '../lane-option';
import type { LaneMode } from '../../api/transactions/lanes';
import { conclude, jsonOption, print, printJson, reportTo, say, type JsonTarget } from '../report';
import {
  manyTransactions,
  percent,
  profileOption,
  rate,
  seconds,
  secondsOrNone,
  wholeNumber,
} from './options';

const scenarios = ['users', 'million'] as const;

interface LoadOptions {
  readonly scenario?: (typeof scenarios)[number];
  readonly flow?: LoadFlow;
  readonly rate?: number;
  readonly inFlight?: number;
  readonly seconds?: number;
  readonly transactions?: number;
  readonly warmUp?: number;
  readonly refusals: number;
  readonly accounts: Spread;
  readonly killEvery?: number;
  readonly workers: number;
  readonly lane: LaneMode;
  readonly out?: string;
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

const defaults = { inFlight: 30, seconds: 40, warmUp: 5 } as const;
/** Two hundred users for sixteen minutes: the load profile of the API that requirements name. */
const usersDefaults = { users: 200, seconds: 960 } as const;
const millionDefaults = { transactions: 1_000_000, inFlight: 256 } as const;
/** Above what any load here may take: a transaction that is late is undone, and what is undone is not refused. */
const deadlineMs = 3_600_000;

export const loadCommand = (): Command =>
  new Command('load')
    .description(
      'Starts transactions over HTTP and waits for each ending: rate, latency, CPU, and every count.',
    )
    .addOption(
      new Option(
        '--scenario <name>',
        'users: up to 200 users, 16 min; million: 1,000,000 transactions',
      ).choices(scenarios),
    )
    .addOption(
      new Option('--flow <name>', 'what is started (default: transfer)').choices(loadFlows),
    )
    .option('--rate <number>', 'open loop: so many a second, whatever comes back', rate)
    .addOption(
      new Option(
        '--in-flight <number>',
        `closed loop: so many at one time (default: ${defaults.inFlight})`,
      )
        .argParser(wholeNumber)
        .conflicts('rate'),
    )
    .option('--seconds <number>', `measured time (default: ${defaults.seconds})`, seconds)
    .option(
      '--transactions <number>',
      'instead of a time: so many, warm-up included',
      manyTransactions,
    )
    .option('--warm-up <seconds>', `not measured (default: ${defaults.warmUp})`, secondsOrNone)
    .option('--refusals <percent>', 'so many of a hundred have no money', percent, 0)
    .addOption(
      new Option('--accounts <spread>', 'hot: one payee, one SKU').choices(spreads).default('even'),
    )
    .option('--kill-every <seconds>', 'kill a worker by SIGKILL, and start it again', seconds)
    .option('-w, --workers <number>', 'transaction workers', wholeNumber, 2)
    .option('--out <folder>', 'write report, charts (SVG) and JSON there')
    .addOption(laneOption())
    .addOption(jsonOption())
    .addOption(profileOption())
    .addHelpText(
      'after',
      `
Latency counts from the time that a transaction was due: no slow answer hides.
The scenario users takes --rate as its most users, a transaction a second each, and --seconds as its whole time.
Exit code: 0 every count is right, 1 a count is wrong, 2 it could not be run.`,
    )
    .action(benchLoad);

async function benchLoad(options: LoadOptions): Promise<void> {
  reportTo(options.json);
  const { profile, json, workers, out, lane } = options;
  const load = loadOf(options);
  if (out !== undefined) mkdirSync(out, { recursive: true });
  const local = await bringUpApplication(profile, {
    ...{ workers, say },
    variables: variablesOfLoad(lane),
  });
  if (local.started.length < local.processes.size)
    say('Some of the application was running: those processes keep their own limits.');
  try {
    const machine = await machineOf(profile);
    const measured = await measureLoad(local, profile, load, say);
    const { arrivals, choice } = load;
    const report: LoadReport = {
      ...measured,
      ...{ command: commandOf(options), machine, flow: choice.flow },
      lane,
      inFlight: arrivals.kind === 'closed' ? arrivals.inFlight : null,
    };
    printLoad(report);
    if (out !== undefined) writeFolder(out, report);
    const ok = isRight(report);
    const sentence = ok ? 'Every count is right.' : 'A count is wrong: no figure of this counts.';
    conclude(json, summaryOf(report), { ok, sentence });
    if (!ok) process.exitCode = 1;
  } finally {
    await stopAll(local.application, local.started);
    if (!local.wereServersUp) await takeDown(profile);
  }
}

function loadOf(options: LoadOptions): Load {
  const { scenario, refusals, accounts: spread, killEvery, warmUp = defaults.warmUp } = options;
  const flow = options.flow ?? (scenario === 'users' ? 'order' : 'transfer');
  const choice = { flow, refusals, spread, deadlineMs };
  const load = { choice, killEverySeconds: killEvery, answersAtOnce: scenario === 'users' };
  if (scenario !== 'users')
    return { ...load, warmUpSeconds: warmUp, arrivals: arrivalsOf(options) };
  const users = options.rate ?? usersDefaults.users;
  const stages = usersStages(users, options.seconds ?? usersDefaults.seconds);
  return { ...load, warmUpSeconds: 0, arrivals: { kind: 'open', stages } };
}

function arrivalsOf(options: LoadOptions): Load['arrivals'] {
  const { scenario, rate: perSecond, seconds: time } = options;
  const many = scenario === 'million' ? millionDefaults : undefined;
  const { transactions = many?.transactions, inFlight = many?.inFlight } = options;
  const whole = transactions === undefined ? defaults.seconds : undefined;
  if (perSecond !== undefined) {
    return {
      kind: 'open',
      stages: steady(perSecond, time ?? whole ?? (transactions ?? 0) / perSecond),
    };
  }
  return {
    kind: 'closed',
    inFlight: inFlight ?? defaults.inFlight,
    transactions: transactions ?? Infinity,
    seconds: time ?? whole ?? Infinity,
  };
}

/** The options that were given, in the order of the help. */
function commandOf(options: LoadOptions): string {
  const given = [
    ['--scenario', options.scenario],
    ['--flow', options.flow],
    ['--rate', options.rate],
    ['--in-flight', options.inFlight],
    ['--seconds', options.seconds],
    ['--transactions', options.transactions],
    ['--warm-up', options.warmUp],
    ['--refusals', options.refusals === 0 ? undefined : options.refusals],
    ['--accounts', options.accounts === 'even' ? undefined : options.accounts],
    ['--kill-every', options.killEvery],
    ['--lane', options.lane],
    ['--workers', options.workers],
  ] as const;
  const words = given.flatMap(([name, value]) =>
    value === undefined ? [] : [name, String(value)],
  );
  return ['npm run bench -- load', ...words].join(' ');
}

function writeFolder(folder: string, report: LoadReport): void {
  const charts = chartsOf(report);
  for (const [name, svg] of charts) writeFileSync(join(folder, name), svg);
  writeFileSync(join(folder, 'load.md'), markdownOf(report, charts.keys()));
  printJson(join(folder, 'load.json'), summaryOf(report));
  print(`Report and charts: ${join(folder, 'load.md')}`);
}
