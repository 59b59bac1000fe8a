/**
 * npm run example -- trip: a project of `examples/` as its authors would run it. Packs Accord, installs the project into
 * an empty folder, and plays its transactions, its checks, its recorded histories and its crash points on real servers.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Argument, Command } from 'commander';
import { z } from 'zod';

import type { Project } from '../package/project';
import { pause } from '../runtime/waiting';
import { openProject, type ProjectEnvironment } from '../testing/projects/environment';
import { installExample, linesOf } from '../testing/projects/install';
import { openStarts, type Sample, type Starts } from '../testing/projects/samples';
import { runCommand } from '../testing/stack/command';
import { checkout, environmentWith } from '../testing/stack/config';
import { bringUp, status, takeDown, type Stack } from '../testing/stack/stack';
import {
  conclude,
  jsonOption,
  print,
  reportTo,
  runCommandAndLeave,
  say,
  tableOf,
  type JsonTarget,
} from './report';

interface Options {
  readonly json?: JsonTarget;
  readonly record?: boolean;
  readonly installed?: string;
}
/** How one transaction ended. */
interface Run {
  readonly flow: string;
  readonly ending: string;
  /** Its worker was killed in the middle. */
  readonly killed: boolean;
}

/** More than the authors of a project should have to write for a participant of three services. */
const linesMax = 450;
const profile = 'test';
const examples = readdirSync(join(checkout, 'examples'));

const wantedSchema = z.strictObject({
  /** What is otherwise in the body of one that is refused. */
  refused: z.record(z.string(), z.unknown()),
  /** `<activity>:<point>` where the worker of the third run is killed. */
  killedAt: z.string(),
});
/** What `example.json` says of the runs beside the sample of the project. */
type Wanted = Readonly<z.infer<typeof wantedSchema>>;

async function example(name: string, { json, record, installed }: Options): Promise<void> {
  reportTo(json);
  const lines = linesOf(name);
  const wasUp = (await status(profile)).every(({ isHealthy }) => isHealthy);
  const folder = installed ?? mkdtempSync(join(tmpdir(), `accord-${name}-`));
  try {
    const [stack] = await Promise.all([
      bringUp(profile),
      installed === undefined && install(name, folder),
    ]);
    const runs = await playRuns(stack, folder, record === true ? name : undefined);
    const crashPoints = await playCrashPoints(stack, folder);
    const areRight = runs.map(({ ending }) => ending).join() === 'completed,compensated,completed';
    const ok = areRight && crashPoints.verdict === 'proven' && lines <= linesMax;
    print(tableOf(['flow', 'ending', 'worker killed'], runs.map(rowOf)));
    const played = crashPoints.played.length;
    const sentence = `${lines} lines, ${runs.length} runs, ${played} crash points: ${crashPoints.verdict}.`;
    conclude(json, { ok, runs, lines, crashPoints: played }, { ok, sentence });
    const isElseRight = areRight && lines <= linesMax;
    if (!ok) process.exitCode = isElseRight && crashPoints.verdict === 'not proven' ? 3 : 1;
  } finally {
    if (installed === undefined) rmSync(folder, { recursive: true });
    if (!wasUp) await takeDown(profile);
  }
}

async function install(name: string, folder: string): Promise<void> {
  say(`Packing Accord, and installing ${name} into ${folder} …`);
  await installExample(name, folder);
}

const rowOf = ({ flow, ending, killed }: Run): string[] => [flow, ending, killed ? 'yes' : 'no'];

/** Its first sample, as the installed project gives it to its own copy of Accord. */
function projectIn(folder: string): Pick<Project, 'migrations'> & { readonly sample: Sample } {
  const load = createRequire(join(folder, 'package.json'));
  const { project } = load('./accord.config.js') as { readonly project: Project };
  const [sample] = project.samples ?? [];
  if (sample === undefined) throw new Error(`The project in ${folder} has no sample.`);
  return { migrations: project.migrations, sample };
}

const commandWithinMs = 120_000;

/**
 * Runs `accord` in the installed project. What it writes may have passwords in it, so it is shown only where asked.
 *
 * @throws with its last lines where it fails.
 */
const accordIn =
  (
    folder: string,
    variables: Readonly<Record<string, string>>,
    { withinMs = commandWithinMs, isShown = false } = {},
  ) =>
  (...args: readonly string[]): Promise<string> =>
    runCommand(join(folder, 'node_modules', '.bin', 'accord'), args, {
      ...{ cwd: folder, env: environmentWith(variables), timeoutMs: withinMs },
      ...(isShown && { onLine: (line: string) => say(`  ${line}`) }),
    });

/** @returns three runs; its tests have passed, its histories replay, its invariants hold. */
async function playRuns(stack: Stack, folder: string, recordAs?: string): Promise<readonly Run[]> {
  const { migrations, sample } = projectIn(folder);
  const migrate = accordIn(folder, { MYSQL_URL: stack.mysql.adminUrl });
  const environment = await openProject({
    ...{ servers: stack, folder, records: stack.folder, migrations },
    accord: [join(folder, 'node_modules', '.bin', 'accord')],
    // For this folder alone: another run may have other passwords.
    migrate: async (prefix) => variablesIn(await migrate('migrate', '--env', '--prefix', prefix)),
  });
  try {
    return await playRunsOf(environment, { sample, folder, recordAs });
  } finally {
    await environment.close();
  }
}

/** `NAME=value` lines. */
const variablesIn = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  );

interface Playing {
  readonly sample: Sample;
  readonly folder: string;
  /** Records the completed run, in the checkout too. */
  readonly recordAs: string | undefined;
}

async function playRunsOf(
  environment: ProjectEnvironment,
  { sample, folder, recordAs }: Playing,
): Promise<readonly Run[]> {
  const { application } = environment;
  const wanted = wantedSchema.parse(JSON.parse(readFileSync(join(folder, 'example.json'), 'utf8')));
  const accord = accordIn(folder, application.environment);
  await Promise.all([
    application.start('worker'),
    application.start('relay'),
    application.start('api'),
  ]);
  const starts = await openStarts(environment, sample);
  say('The tests of the project …');
  await runCommand('npm', ['test'], {
    cwd: folder,
    env: environmentWith({
      API_URL: application.apiUrl,
      API_KEY: starts.authorization.replace('Bearer ', ''),
    }),
    timeoutMs: commandWithinMs,
  });
  say('Three transactions: one completes, one is refused, one loses its worker …');
  const completed = await starts.start('completed', 1);
  const refused = await starts.start('refused', 2, wanted.refused);
  const endings = [await starts.ending(completed), await starts.ending(refused)];
  await application.stop('worker');
  const killed = await loseWorker(environment, starts, wanted);
  await application.stop('worker');
  say('Recording the run that lost its worker, and replaying every recorded history …');
  if (recordAs !== undefined) {
    await accord('record-history', completed.gid, '--name', `${recordAs}-completed`);
    copyRecordings(folder, recordAs);
  }
  // Beside those of the project: the folder may have been played before, and a recording is never replaced.
  for (const left of ['recorded', 'recorded.sha256'])
    rmSync(join(folder, left), { recursive: true, force: true });
  await accord('record-history', killed.gid, '--to', 'recorded');
  const folders = ['histories', 'recorded'].filter((each) => existsSync(join(folder, each)));
  await accord('replay', ...folders.flatMap((each) => ['--from', each]));
  say('Asking the invariants …');
  await accord('verify');
  const { flow } = sample;
  return [
    ...endings.map((ending) => ({ flow, ending, killed: false })),
    { flow, ending: killed.ending, killed: true },
  ];
}

const verdictSchema = z.object({ verdict: z.string(), played: z.array(z.unknown()) });
const crashPointsWithinMs = 1_200_000;

/** As its authors would play them. */
async function playCrashPoints({ mysql, temporal, redis, kafka }: Stack, folder: string) {
  const report = join(folder, 'crash-points.json');
  rmSync(report, { force: true }); // That of a run before would count.
  const variables = {
    ...{ MYSQL_URL: mysql.adminUrl, TEMPORAL_ADDRESS: temporal.address, REDIS_URL: redis.url },
    KAFKA_BROKERS: kafka.brokers.join(','),
  };
  const accord = accordIn(folder, variables, { withinMs: crashPointsWithinMs, isShown: true });
  await accord('crash-points', '--json', report).catch((error: unknown) => {
    // It has a verdict, which the report says; or it could not begin.
    if (!existsSync(report)) throw error;
  });
  return verdictSchema.parse(JSON.parse(readFileSync(report, 'utf8')));
}

/** Until the fault strikes. A trip that never comes to it would be waited for in vain. */
const killWithinMs = 120_000;

/** Its worker is killed in the middle, and another one goes on. */
async function loseWorker(
  { application }: ProjectEnvironment,
  starts: Starts,
  { killedAt }: Wanted,
): Promise<{ readonly gid: string; readonly ending: string }> {
  await application.start('worker', 'worker', { FAULTS: `${killedAt}:kill:of=killed` });
  const started = await starts.start('killed', 3);
  const end = Date.now() + killWithinMs;
  while (application.process('worker')) {
    if (Date.now() > end) throw new Error(`No worker was killed at ${killedAt}.`);
    await pause(100);
  }
  await application.start('worker');
  return { gid: started.gid, ending: await starts.ending(started) };
}

/** What the checkout has not yet; a recording is never replaced. */
function copyRecordings(folder: string, name: string): void {
  const target = join(checkout, 'examples', name);
  cpSync(join(folder, 'histories'), join(target, 'histories'), { recursive: true, force: false });
  cpSync(join(folder, 'histories.sha256'), join(target, 'histories.sha256'));
}

runCommandAndLeave(
  new Command('example')
    .description('Installs a project of examples/ from the packed package, and proves it.')
    .addArgument(new Argument('<name>').choices(examples))
    .option('--record', 'write the history of the completed run into the project, once')
    .option(
      '--installed <folder>',
      'where it is installed and compiled: packs and installs nothing',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExit code: 0 all holds, 1 something does not, 2 it could not be run, 3 not proven: a fault did not fire.',
    )
    .action(example),
);
