/**
 * npm run example -- trip: a project of `examples/` as its authors would run it. Packs Accord, installs the project into
 * an empty folder, and plays its transactions, its checks, its recorded histories and its crash points on real servers.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { Argument, Command } from 'commander';

import { pause } from '../runtime/waiting';
import { playProjectCrashPoints } from '../testing/projects/crash-points';
import { openProject, type ProjectEnvironment } from '../testing/projects/environment';
import { installExample, linesOf } from '../testing/projects/install';
import { exampleOf, openStarts, type Example, type Starts } from '../testing/projects/starts';
import { checkout } from '../testing/stack/config';
import { bringUp, status, takeDown } from '../testing/stack/stack';
import { exitWithoutVerdict } from './exit-codes';
import { conclude, jsonOption, print, reportTo, say, tableOf, type JsonTarget } from './report';

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
    const environment = await openProject(stack, folder);
    try {
      const found = await play(environment, exampleOf(folder), record === true ? name : undefined);
      const failed = found.crashPoints.filter(({ outcome }) => outcome !== 'proven');
      for (const one of failed) print(`${one.outcome}: ${JSON.stringify(one)}`);
      const ok = found.areRight && failed.length === 0 && lines <= linesMax;
      print(tableOf(['flow', 'ending', 'worker killed'], found.runs.map(rowOf)));
      const sentence = `${lines} lines, ${found.runs.length} runs, ${found.crashPoints.length} crash points, ${failed.length} of them not proven.`;
      const { runs, crashPoints } = found;
      conclude(json, { ok, runs, lines, crashPoints: crashPoints.length }, { ok, sentence });
    } finally {
      await environment.close();
    }
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

async function play(environment: ProjectEnvironment, wanted: Example, recordAs?: string) {
  const { application, accord } = environment;
  await Promise.all([
    application.start('worker'),
    application.start('relay'),
    application.start('api', 'api', { STARTS_PER_SECOND: '100000' }),
  ]);
  const starts = await openStarts(environment, wanted);
  say('Three transactions: one completes, one is refused, one loses its worker …');
  const completed = await starts.start('completed', 1);
  const refused = await starts.start('refused', 2, wanted.refused);
  const endings = [await starts.ending(completed), await starts.ending(refused)];
  await application.stop('worker');
  const killed = await loseWorker(environment, starts, wanted);
  const runs: readonly Run[] = [
    ...endings.map((ending) => ({ flow: wanted.flow, ending, killed: false })),
    { flow: wanted.flow, ending: killed, killed: true },
  ];
  await application.stop('worker');
  if (recordAs !== undefined) await recordHistory(environment, recordAs, completed.gid);
  say('Replaying the recorded histories …');
  await accord('replay', '--from', 'histories');
  say('Crash points …');
  const { flow } = wanted;
  const { played } = await playProjectCrashPoints(environment, { flow, starts, first: 10 });
  say('Asking the invariants …');
  await accord('verify');
  const areRight = runs.map(({ ending }) => ending).join() === 'completed,compensated,completed';
  return { runs, crashPoints: played, areRight };
}

/** Until the fault strikes. A trip that never comes to it would be waited for in vain. */
const killWithinMs = 120_000;

/** Its worker is killed in the middle, and another one goes on. */
async function loseWorker(
  { application }: ProjectEnvironment,
  starts: Starts,
  { killedAt }: Example,
): Promise<string> {
  await application.start('worker', 'worker', { FAULTS: `${killedAt}:kill:of=killed` });
  const started = await starts.start('killed', 3);
  const end = Date.now() + killWithinMs;
  while (application.process('worker')) {
    if (Date.now() > end) throw new Error(`No worker was killed at ${killedAt}.`);
    await pause(100);
  }
  await application.start('worker');
  return starts.ending(started);
}

/** Once, in the checkout; and in the installed project, which replays it now. */
async function recordHistory(
  { temporal, folder }: ProjectEnvironment,
  name: string,
  gid: string,
): Promise<void> {
  const history = historyToJSON(await temporal.workflow.getHandle(gid).fetchHistory());
  for (const project of [join(checkout, 'examples', name), folder]) {
    mkdirSync(join(project, 'histories'), { recursive: true });
    writeFileSync(join(project, 'histories', `${name}-completed.json`), history, { flag: 'wx' });
  }
}

new Command('example')
  .description('Installs a project of examples/ from the packed package, and proves it.')
  .addArgument(new Argument('<name>').choices(examples))
  .option('--record', 'write the history of the completed run into the project, once')
  .option('--installed <folder>', 'where it is installed and compiled: packs and installs nothing')
  .addOption(jsonOption())
  .addHelpText('after', '\nExit code: 0 all holds, 1 something does not, 2 it could not be run.')
  .action(example)
  .exitOverride()
  .parseAsync()
  .then(() => process.exit())
  .catch(exitWithoutVerdict);
