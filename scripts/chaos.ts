/**
 * npm run chaos: the application on real servers under load, while processes, servers and connections fail by a seed;
 * then every oracle, every history and every client's record is asked whether the promise was kept.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { DefaultLogger, Runtime } from '@temporalio/worker';
import { Command, InvalidArgumentError, Option } from 'commander';

import type { FenceVerdict } from '../contracts/engine/verdict';
import type { LaneMode } from '../api/transactions/lanes';
import { laneOption } from './lane-option';
import { conclude, jsonOption, reportTo, runCommandAndLeave, say, type JsonTarget } from './report';
import { machineOf } from '../testing/bench/machine';
import { build } from '../testing/environment/build';
import { breakNames, breaks, type BreakName } from '../testing/chaos/breaks';
import { brokenBuild } from '../testing/chaos/broken-build';
import { checkHistory } from '../testing/chaos/checkers';
import { faultNames, faultMenu, type FaultName } from '../testing/chaos/faults';
import { askedOf, gatesOf } from '../testing/chaos/gates';
import { readHistory } from '../testing/chaos/history';
import { violationsOf } from '../testing/chaos/evaluation';
import { nextBuild } from '../testing/chaos/next-build';
import { randomFrom } from '../testing/chaos/random';
import {
  countByName,
  exitCodes,
  printReport,
  sentenceOf,
  verdictOf,
  type ChaosReport,
} from '../testing/chaos/report';
import { runChaos, type Cleanup, type Observation } from '../testing/chaos/run';
import { planFaults } from '../testing/chaos/schedule';
import { interruption } from '../testing/environment/interruption';
import { folderOf, profiles, serversOf, type Profile } from '../testing/stack/profile';
import { bringUp, readStack, serverProcess, takeDown, type Stack } from '../testing/stack/stack';

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly workers: number;
  readonly clients: number;
  readonly only?: readonly FaultName[];
  readonly break?: BreakName;
  readonly lane: LaneMode;
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

/** In the run's folder, beside the plan and what its clients saw. */
const reportFile = 'report.json';
const workersDefault = 3;
const clientsDefault = 6;
/** Load between the last fault and the end: shorter in a run of a minute. */
const afterMs = (minutes: number): number => (minutes < 2 ? 6_000 : 15_000);

runCommandAndLeave(
  new Command('chaos')
    .description(
      'Runs load with random faults, and checks that every transaction ended once and the books balance.',
    )
    .option(
      '-s, --seed <number>',
      'seed of the random numbers',
      wholeNumber,
      Date.now() % 1_000_000,
    )
    .option('-m, --minutes <number>', 'duration of the faults', minutesOf, 3)
    .option('--only <kinds>', 'only these faults, separated by commas', faultsOf)
    .option('-w, --workers <number>', 'transaction workers', wholeNumber, workersDefault)
    .option('--clients <number>', 'clients at one time', wholeNumber, clientsDefault)
    .addOption(
      new Option('--break <protection>', 'plant one bug; the run must turn red').choices(
        breakNames,
      ),
    )
    .addOption(laneOption())
    .addOption(jsonOption())
    .addOption(
      new Option('-p, --profile <name>', 'profile of the servers, which are killed')
        .choices(profiles)
        .default('test'),
    )
    .addHelpText(
      'after',
      `\nFaults: ${faultNames.join(', ')}.\nExit code: 0 proven, 1 violated, 2 it could not be run, 3 not proven.`,
    )
    .action(chaos),
);

async function chaos(options: Options): Promise<void> {
  reportTo(options.json);
  Runtime.install({
    // Each refusal of a replay is told once, in the words of the business.
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  const { profile, json } = options;
  const wereServersUp = (await readStack(profile)) !== undefined;
  const [stack] = await Promise.all([bringUp(profile), build()]);
  const cleanups: Cleanup[] = [];
  try {
    const report = await Promise.race([proof(options, stack, cleanups), interruption()]);
    printReport(report);
    conclude(json, report, { ok: report.ok, sentence: sentenceOf(report) });
    process.exitCode = exitCodes[report.verdict];
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
    if (!wereServersUp) await takeDown(profile);
  }
}

async function proof(options: Options, stack: Stack, cleanups: Cleanup[]): Promise<ChaosReport> {
  const { seed, minutes, workers, clients, only, lane, profile, break: broken } = options;
  if (serversOf(profile).some((name) => !serverProcess(profile, name))) {
    throw new Error(
      'Chaos kills servers, so each must be a process of this checkout: unset addresses, stop Docker.',
    );
  }
  const folder = join(
    folderOf(profile),
    'chaos',
    `${new Date().toISOString().replaceAll(':', '-')}-${seed}`,
  );
  mkdirSync(folder, { recursive: true });
  const random = randomFrom(seed);
  const planted = broken && breaks[broken];
  const plan = planFaults(random.fork('faults'), minutes * 60_000, {
    ...(only && { only }),
    ...(planted?.strikes && { must: planted.strikes }),
  });
  writeFileSync(
    join(folder, 'plan.json'),
    `${JSON.stringify({ seed, minutes, plan }, undefined, 2)}\n`,
  );
  say(`Seed ${seed}, ${plan.length} faults: ${plan.map(({ name }) => name).join(', ')}.`);
  const machine = await machineOf(profile);
  const historyFile = join(folder, 'history.jsonl');
  if (broken) say(`Planted bug ${broken}: ${planted?.sentence ?? ''}.`);
  const observed = await runChaos({
    ...(broken ? { build: await brokenBuild(broken) } : { next: await nextBuild() }),
    ...(planted?.faults !== undefined && { faults: planted.faults }),
    ...{ profile, lane },
    stack,
    random,
    plan,
    minutes,
    workers,
    clients,
    afterMs: afterMs(minutes),
    historyFile,
    cleanups,
    say,
  });
  const lines = readHistory(historyFile);
  const asked = askedOf(lines);
  const checked = checkHistory(lines, observed.facts);
  const violations = violationsOf(observed, checked.violations);
  const gates = gatesOf(observed, asked, { plan, minutes, lane, hasNext: !broken });
  const verdict = verdictOf(violations, gates);
  const report: ChaosReport = {
    ok: verdict === 'proven',
    verdict,
    command: commandOf(options),
    seed,
    minutes,
    break: options.break ?? null,
    machine,
    operations: observed.operations,
    byKind: Object.fromEntries(asked.byKind),
    unknown: asked.unknown,
    seenByClients: Object.fromEntries(observed.seenByClients),
    faults: countByName(observed.faults),
    missed: observed.faults.filter(({ hasStruck }) => !hasStruck).map(({ name }) => name),
    kills: observed.faults.filter(({ name, hasStruck }) => hasStruck && faultMenu[name].isKill)
      .length,
    restarts: observed.restarts,
    endings: Object.fromEntries(observed.endings),
    verdicts: verdictsOf(observed),
    sqlRetries: observed.counters.sqlRetries,
    stuckAttempts: observed.counters.stuck,
    parked: {
      planted: observed.planted.length,
      resolved: observed.planted.filter(({ isResolved }) => isResolved).length,
      others: observed.parked.length,
    },
    recoveryMs: observed.recoveries,
    quietAfterMs: observed.quietAfterMs,
    oracles: { rounds: observed.rounds, asked: observed.asked },
    checked: checked.evaluated,
    replayed: observed.replayed.flows,
    notAsked: observed.notAsked,
    gates,
    violations,
    folder: relative(process.cwd(), folder),
  };
  writeFileSync(join(folder, reportFile), `${JSON.stringify(report, undefined, 2)}\n`);
  return report;
}

const commandOf = ({ seed, minutes, lane, break: broken }: Options): string =>
  `npm run chaos -- --seed ${seed} --minutes ${minutes} --lane ${lane}${broken ? ` --break ${broken}` : ''}`;

function verdictsOf({ counters }: Observation): Readonly<Record<string, number>> {
  const words: readonly FenceVerdict[] = [
    'first',
    'duplicate',
    'refused',
    'empty',
    'undone',
    'confirmed',
    'fenced',
    'conflict',
    'broken',
    'notYet',
  ];
  return Object.fromEntries(words.map((word) => [word, counters.verdictsOf(word)]));
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new InvalidArgumentError('It must be a whole number, at least 1.');
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (minutes > 0 && minutes <= 600) return minutes;
  throw new InvalidArgumentError('It must be a number of minutes, at most 600, such as 0.5.');
}

function faultsOf(text: string): readonly FaultName[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name) => {
    const known = faultNames.find((each) => each === name);
    if (!known) throw new InvalidArgumentError(`There is no fault ${name}.`);
    return known;
  });
}
