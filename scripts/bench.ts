/**
 * npm run bench: measures the running application over HTTP, as a client sees it. Not a test: it asserts nothing about
 * time. It fails where a count is wrong, since the speed of a wrong answer is of no interest.
 */
import { Command } from 'commander';

import { measureCosts } from '../testing/bench/costs';
import { measureHotAccount, type Measurement } from '../testing/bench/hot-account';
import { measureInvariants } from '../testing/bench/invariants';
import { cpuSeconds, machineOf } from '../testing/bench/machine';
import { measureRelay, type RelayFigures } from '../testing/bench/relay';
import {
  printCosts,
  printInvariants,
  printRelay,
  printReport,
  printStatements,
  type BenchReport,
} from '../testing/bench/report';
import { isBounded, measureStatements } from '../testing/bench/statements';
import { interruption } from '../testing/environment/interruption';
import { bringUpApplication, stopAll } from '../testing/environment/local-application';
import { conclude, jsonOption, reportTo, runCommandAndLeave, say, type JsonTarget } from './report';
import { compareCommand } from './bench/compare';
import { loadCommand } from './bench/load';
import { manyRows, profileOption, wholeNumber } from './bench/options';
import { bringUp, readStack, takeDown, type Profile, type Stack } from '../testing/stack/stack';

interface Load {
  readonly inFlight: number;
  readonly payments: number;
  readonly workers: number;
}
interface Options extends Load {
  readonly transactions: number;
  readonly rows: number;
  readonly events: number;
  readonly times: number;
  readonly profile: Profile;
  readonly json?: JsonTarget;
}

const workersOption = ['-w, --workers <number>', 'transaction workers', wholeNumber, 2] as const;

const scenario = (name: string, description: string): Command =>
  new Command(name).description(description).addOption(jsonOption()).addOption(profileOption());

runCommandAndLeave(
  new Command('bench')
    .description('Measures the running application over HTTP, or what its statements read.')
    .addCommand(loadCommand())
    .addCommand(compareCommand())
    .addCommand(
      scenario('hot-account', 'Payments of many payers into one merchant account.')
        .option('--in-flight <number>', 'payments at one time', wholeNumber, 200)
        .option('--payments <number>', 'number of payments, after a warm-up', wholeNumber, 1_000)
        .option(...workersOption)
        .action((options: Options) => bench(options, benchHotAccount)),
    )
    .addCommand(
      scenario('invariants', 'A round of the checks, over books of many transactions.')
        .option('--transactions <number>', 'ended transactions', wholeNumber, 100_000)
        .action((options: Options) => bench(options, benchInvariants)),
    )
    .addCommand(
      scenario('statements', 'What each statement reads, where as much waits as is done.')
        .option('--rows <number>', 'waiting rows, and as many done ones', manyRows, 1_000_000)
        .action((options: Options) => bench(options, benchStatements)),
    )
    .addCommand(
      scenario('relay', 'How fast one relay brings a backlog to Kafka.')
        .option('--rows <number>', 'waiting events', manyRows, 1_000_000)
        .option('--events <number>', 'events to publish', wholeNumber, 50_000)
        .action((options: Options) => bench(options, benchRelay)),
    )
    .addCommand(
      scenario('costs', 'What one transaction of each flow costs MySQL.')
        .option('--times <number>', 'transactions of each flow', wholeNumber, 20)
        .option(...workersOption)
        .action((options: Options) => bench(options, benchCosts)),
    )
    .addHelpText(
      'after',
      '\nnpm run bench -- <scenario> --help tells its options.\nExit code: 0 every count is right, 1 a count is wrong, 2 it could not be run.',
    ),
);

function bench(options: Options, measure: (options: Options) => Promise<void>): Promise<void> {
  reportTo(options.json);
  return measure(options);
}

/**
 * Runs a measurement on servers only, without an application.
 * @param measure prints, and returns whether every count is right.
 */
async function onServers(
  profile: Profile,
  measure: (stack: Stack) => Promise<boolean>,
): Promise<void> {
  const wasUp = (await readStack(profile)) !== undefined;
  const stack = await bringUp(profile);
  try {
    if (!(await Promise.race([measure(stack), interruption()]))) process.exitCode = 1;
  } finally {
    if (!wasUp) await takeDown(profile);
  }
}

function benchInvariants({ profile, json, transactions }: Options): Promise<void> {
  return onServers(profile, async ({ mysql }) => {
    const machine = await machineOf(profile);
    const figures = await measureInvariants(mysql.adminUrl, transactions, say);
    const command = `npm run bench -- invariants --transactions ${transactions}`;
    printInvariants({ command, machine, figures });
    const { violations } = figures;
    const sentence = violations === 0 ? 'Nothing found.' : `${violations} violations.`;
    conclude(json, { command, machine, figures }, { ok: violations === 0, sentence });
    return violations === 0;
  });
}

function benchStatements({ profile, json, rows }: Options): Promise<void> {
  return onServers(profile, async ({ mysql }) => {
    const machine = await machineOf(profile);
    const figures = await measureStatements(mysql.adminUrl, rows, say);
    const command = `npm run bench -- statements --rows ${rows}`;
    printStatements({ command, machine, figures });
    const unbounded = figures.statements.filter((figure) => !isBounded(figure)).length;
    const sentence =
      unbounded === 0
        ? 'No statement reads more than it may.'
        : `${unbounded} statements read more than they may.`;
    conclude(json, { command, machine, figures }, { ok: unbounded === 0, sentence });
    return unbounded === 0;
  });
}

function benchRelay({ profile, json, rows, events }: Options): Promise<void> {
  return onServers(profile, async (stack) => {
    const machine = await machineOf(profile);
    const figures = await measureRelay(stack, { waiting: rows, events }, say);
    const command = `npm run bench -- relay --rows ${rows} --events ${events}`;
    printRelay({ command, machine, figures });
    const ok = isRight(figures);
    conclude(json, { command, machine, figures }, { ok, sentence: sentenceOf(ok) });
    return ok;
  });
}

async function benchCosts({ profile, json, times, workers }: Options): Promise<void> {
  const local = await bringUpApplication(profile, { workers, say });
  try {
    const machine = await machineOf(profile);
    const figures = await Promise.race([measureCosts(local, times, say), interruption()]);
    const command = `npm run bench -- costs --times ${times} --workers ${workers}`;
    printCosts({ command, machine, figures });
    const ok = figures.every(({ completed }) => completed === times);
    conclude(json, { command, machine, figures }, { ok, sentence: sentenceOf(ok) });
    if (!ok) process.exitCode = 1;
  } finally {
    await stopAll(local.application, local.started);
    if (!local.wereServersUp) await takeDown(profile);
  }
}

async function benchHotAccount({
  profile,
  json,
  inFlight,
  payments,
  workers,
}: Options): Promise<void> {
  const load = { inFlight, payments, workers };
  const local = await bringUpApplication(profile, { workers: load.workers, say });
  try {
    const machine = await machineOf(profile);
    const cpuNow = () => cpuSeconds(profile, local.processes.keys());
    const measuring = measureHotAccount(local, load, { say, cpuNow });
    const measured = await Promise.race([measuring, interruption()]);
    const report = { command: commandOf(load), machine, ...measured };
    printReport(report);
    const ok = isRight(report);
    conclude(json, summaryOf(report), { ok, sentence: sentenceOf(ok) });
    if (!ok) process.exitCode = 1;
  } finally {
    await stopAll(local.application, local.started);
    if (!local.wereServersUp) await takeDown(profile);
  }
}

const sentenceOf = (ok: boolean): string =>
  ok ? 'Every count is right.' : 'A count is wrong: no figure of this counts.';

const isRight = ({ counters }: Measurement | RelayFigures): boolean =>
  counters.every(({ seen, expected }) => seen === expected);

const commandOf = ({ inFlight, payments, workers }: Load): string =>
  `npm run bench -- hot-account --in-flight ${inFlight} --payments ${payments} --workers ${workers}`;

const summaryOf = (report: BenchReport): object => ({
  ok: isRight(report),
  ...report,
  figures: { ...report.figures, cpu: Object.fromEntries(report.figures.cpu) },
});
