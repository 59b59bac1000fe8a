/**
 * npm run bench: measures the running application over HTTP, as a client sees it. Not a test: it asserts nothing about
 * time. It fails where a count is wrong, since the speed of a wrong answer is of no interest.
 */
import { writeFileSync } from 'node:fs';

import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import colors from 'picocolors';

import { measureHotAccount, type Measurement } from './bench/hot-account';
import { measureInvariants } from './bench/invariants';
import { cpuSeconds, machineOf } from './bench/machine';
import { printInvariants, printReport, type BenchReport } from './bench/report';
import { interruption } from './interruption';
import { bringUpApplication, stopAll } from './local-application';
import { profiles, type Profile } from './stack/profile';
import { bringUp, readStack, takeDown } from './stack/stack';
import { reasonOf } from './stack/waiting';

interface Load {
  readonly inFlight: number;
  readonly payments: number;
  readonly workers: number;
}
interface Options extends Load {
  readonly transactions: number;
  readonly profile: Profile;
  readonly json?: string;
}

const most = 100_000;

new Command('bench')
  .description('Measures the running application over HTTP.')
  .addArgument(
    new Argument('<scenario>', 'what is measured').choices(['hot-account', 'invariants']),
  )
  .option('--in-flight <number>', 'payments at one time', wholeNumber, 200)
  .option('--payments <number>', 'payments in all, after a warm-up', wholeNumber, 1_000)
  .option('--transactions <number>', 'ended ones, of invariants', wholeNumber, 100_000)
  .option('-w, --workers <number>', 'transaction workers', wholeNumber, 2)
  .option('--json <file>', 'write the report there')
  .addOption(
    new Option('-p, --profile <name>', 'which set of servers').choices(profiles).default('dev'),
  )
  .action(bench)
  .parseAsync()
  .then(
    () => process.exit(),
    (error: unknown) => {
      console.error(colors.red(reasonOf(error)));
      process.exit(1);
    },
  );

async function bench(scenario: string, options: Options): Promise<void> {
  return scenario === 'invariants' ? benchInvariants(options) : benchLoad(scenario, options);
}

/** It needs MySQL alone, and no application. */
async function benchInvariants({ profile, json, transactions }: Options): Promise<void> {
  const wasUp = (await readStack(profile)) !== undefined;
  const stack = await bringUp(profile);
  try {
    const machine = await machineOf(profile);
    const measuring = measureInvariants(stack.mysql.adminUrl, transactions, say);
    const figures = await Promise.race([measuring, interruption()]);
    const command = `npm run bench -- invariants --transactions ${transactions}`;
    const report = { command, machine, figures };
    printInvariants(report);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
    if (figures.violations > 0) process.exitCode = 1;
  } finally {
    if (!wasUp) await takeDown(profile);
  }
}

async function benchLoad(
  scenario: string,
  { profile, json, inFlight, payments, workers }: Options,
): Promise<void> {
  const load = { inFlight, payments, workers };
  const local = await bringUpApplication(profile, { workers: load.workers, say });
  try {
    const machine = await machineOf(profile);
    const cpuNow = () => cpuSeconds(profile, local.processes.keys());
    const measuring = measureHotAccount(local, load, { say, cpuNow });
    const measured = await Promise.race([measuring, interruption()]);
    const report = { command: commandOf(scenario, load), machine, ...measured };
    printReport(report);
    if (json !== undefined)
      writeFileSync(json, `${JSON.stringify(summaryOf(report), undefined, 2)}\n`);
    if (!isRight(report)) process.exitCode = 1;
  } finally {
    await stopAll(local.application, local.started);
    if (!local.wereServersUp) await takeDown(profile);
  }
}

const isRight = ({ counters }: Measurement): boolean =>
  counters.every(({ seen, expected }) => seen === expected);

const commandOf = (scenario: string, { inFlight, payments, workers }: Load): string =>
  `npm run bench -- ${scenario} --in-flight ${inFlight} --payments ${payments} --workers ${workers}`;

const summaryOf = (report: BenchReport): object => ({
  ok: isRight(report),
  ...report,
  figures: { ...report.figures, cpu: Object.fromEntries(report.figures.cpu) },
});

function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new InvalidArgumentError(`It is a whole number, 1 to ${most}.`);
}

function say(line: string): void {
  console.error(colors.dim(line));
}
