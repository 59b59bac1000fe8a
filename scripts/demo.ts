/**
 * npm run demo: every flow through real servers, with a worker killed in the middle, and the books to the last cent.
 */
import { Command, Option } from 'commander';

import {
  colors,
  conclude,
  jsonOption,
  print,
  printJson,
  reportTo,
  runCommandAndLeave,
  say,
  type JsonTarget,
  type Verdict,
} from './report';
import { checkInvariants } from '../testing/verify/verification';
import { compare, readBooks, type Line } from './demo/books';
import { waitForEvents, watchEvents, type EventRecords } from './demo/events';
import { parkOrder, sizes, type Size } from './demo/parked';
import type { PlannedRun } from './demo/planned-run';
import { demoRegions } from './demo/regions';
import { printBooks, sayPhases, printPlaces, printRun, type Finding } from './demo/report';
import { plannedChanges, plannedRuns } from './demo/runs';
import { openScene, type Scene } from './demo/scene';
import { yesterday } from './demo/settlements';
import { interruption } from '../testing/environment/interruption';
import { verdictOf as verdictOfDrills } from '../testing/drills/report';
import {
  bringUpApplication,
  stopAll,
  type LocalApplication,
  type Phase,
} from '../testing/environment/local-application';
import { seed, seedTakings } from './seed';
import { profiles, type Profile } from '../testing/stack/profile';
import { takeDown } from '../testing/stack/stack';

interface Options {
  readonly profile: Profile;
  readonly json?: JsonTarget;
  readonly keep?: boolean;
  readonly regions?: boolean;
  readonly parked?: Size | true;
}

/** What came of the demo. */
interface Outcome {
  readonly findings: readonly Finding[];
  readonly lines: readonly Line[];
  readonly violations: readonly object[];
}

const workers = 2;

runCommandAndLeave(
  new Command('demo')
    .description(
      'Runs every flow on real servers: completed, refused, cancelled, killed, parked, reviewed.',
    )
    .addOption(jsonOption())
    .option('--keep', 'leave application and servers running')
    .option(
      '--regions',
      'instead: lose a region under load, and bring it back, on separate servers',
    )
    .addOption(
      new Option(
        '--parked [size]',
        'instead: park one order of the running application, and print what decides it as shell variables',
      ).choices(sizes),
    )
    .addOption(
      new Option('-p, --profile <name>', 'profile of the servers').choices(profiles).default('dev'),
    )
    .action(play),
);

function play(options: Options): Promise<void> {
  reportTo(options.json);
  if (options.regions === true) return showRegions(options);
  return options.parked === undefined ? demo(options) : park(options);
}

/** The application goes on: it is there that somebody shall decide. */
async function park({ profile, json, parked }: Options): Promise<void> {
  const local = await bringUpApplication(profile, { workers, say });
  const { gid, step, version } = await parkOrder(local, parked === 'large' ? 'large' : 'small');
  say('The order is parked, and its cause is repaired. An operator must decide.');
  print(`GID=${gid}\nSTEP=${step}\nVERSION=${version}`);
  printJson(json, { gid, step, version });
}

async function demo({ profile, json, keep }: Options): Promise<void> {
  const began = Date.now();
  const local = await bringUpApplication(profile, { workers, say });
  const phases = [...local.phases];
  const outcome = await (async () => {
    try {
      const playedAt = Date.now();
      const played = await Promise.race([playAll(local), interruption()]);
      phases.push({ name: 'runs and books', ms: Date.now() - playedAt });
      printBooks(played.lines);
      for (const violation of played.violations) print(colors.red(JSON.stringify(violation)));
      printPlaces(local, keep === true);
      return played;
    } finally {
      if (keep === true) await leaveRunning(local);
      else await putBack(profile, local, phases);
    }
  })();
  phases.push({ name: 'all in all', ms: Date.now() - began });
  sayPhases(phases);
  conclude(json, summaryOf(outcome), verdictOf(outcome));
  if (!isRight(outcome)) process.exitCode = 1;
}

async function showRegions({ json, keep }: Options): Promise<void> {
  const report = await demoRegions(keep === true, say);
  conclude(json, report, verdictOfDrills(report));
  if (!report.ok) process.exitCode = 1;
}

async function playAll(local: LocalApplication): Promise<Outcome> {
  const tenant = `demo${Date.now().toString(36)}`; // A tenant of this demo only.
  const { stack, urls } = local;
  const [scene, records] = await Promise.all([
    openScene(local, tenant),
    watchEvents(stack.kafka.brokers, tenant),
    seedDemo(urls, tenant),
  ]);
  try {
    const before = await readBooks(scene, records);
    const findings: Finding[] = [];
    for (const planned of plannedRuns) {
      const finding = await playOne(local, scene, planned);
      findings.push(finding);
      printRun(finding);
    }
    return { findings, ...(await closeBooks(local, scene, records, before)) };
  } finally {
    await scene.close();
    await records.close();
  }
}

async function seedDemo(urls: LocalApplication['urls'], tenant: string): Promise<void> {
  await seed(urls, tenant);
  await seedTakings(urls, tenant, yesterday);
}

async function playOne(
  { stack }: LocalApplication,
  scene: Scene,
  planned: PlannedRun,
): Promise<Finding> {
  const began = Date.now();
  const played = await planned.play(scene, planned.start);
  const told = await scene.explain(played.gid);
  const { uiUrl, namespace } = stack.temporal;
  return {
    ...played,
    told,
    planned,
    ms: Date.now() - began,
    isAsPlanned: told.state === planned.ending && (told.reason?.code ?? null) === planned.reason,
    page: uiUrl && `${uiUrl}/namespaces/${namespace}/workflows/${encodeURIComponent(told.gid)}`,
  };
}

/** Waits until nothing is under way any more, then compares every number with what it must be. */
async function closeBooks(
  { urls }: LocalApplication,
  scene: Scene,
  records: EventRecords,
  before: Awaited<ReturnType<typeof readBooks>>,
): Promise<Pick<Outcome, 'lines' | 'violations'>> {
  await waitForEvents(scene, records);
  const lines = compare(before, await readBooks(scene, records), plannedChanges);
  const { violations } = await checkInvariants(urls.VERIFY_DATABASE_URLS);
  return { lines, violations };
}

const isRight = ({ findings, lines, violations }: Outcome): boolean =>
  findings.length === plannedRuns.length &&
  findings.every(({ isAsPlanned }) => isAsPlanned) &&
  findings.some(({ killed }) => killed) &&
  lines.every(({ after, expected }) => after === expected) &&
  violations.length === 0;

const verdictOf = (outcome: Outcome): Verdict => ({
  ok: isRight(outcome),
  sentence: isRight(outcome)
    ? 'Every run came to its ending, and every number is right.'
    : 'Something is off: see the red marks above.',
});

const summaryOf = (outcome: Outcome): object => ({
  ok: isRight(outcome),
  runs: outcome.findings.map(({ told, killed, ms, planned }) => ({
    flow: planned.start.flow,
    gid: told.gid,
    ending: told.state,
    reason: told.reason?.code ?? null,
    killed,
    title: planned.title,
    ms,
  })),
  books: Object.fromEntries(
    outcome.lines.map(({ name, before, after, expected }) => [name, { before, after, expected }]),
  ),
  violations: outcome.violations,
});

/** Leaves the application running, and starts the killed worker again. */
async function leaveRunning({ application, processes }: LocalApplication): Promise<void> {
  for (const [name, role] of processes) await application.start(role, name);
  say(`Left running: ${application.apiUrl}/docs`);
}

/** Stops what this demo started, and nothing else. */
async function putBack(profile: Profile, local: LocalApplication, phases: Phase[]): Promise<void> {
  const began = Date.now();
  say('Stopping what the demo started …');
  await stopAll(local.application, local.started);
  if (!local.wereServersUp) await takeDown(profile);
  phases.push({ name: 'stop', ms: Date.now() - began });
}
