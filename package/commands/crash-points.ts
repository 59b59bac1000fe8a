/**
 * accord crash-points: kills and fails a worker at every point of every operation that a project's flows may call, on
 * processes and databases of its own. Each transaction must end as it should, and the books must be sound.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { Command, InvalidArgumentError } from 'commander';

import type { Flow } from '../../contracts/engine/ids';
import { provision } from '../../runtime/databases/provision';
import { pause } from '../../runtime/waiting';
import { interruption } from '../../testing/environment/interruption';
import { playProjectCrashPoints, type PlayedCase } from '../../testing/projects/crash-points';
import {
  openProject,
  type ProjectEnvironment,
  type Servers,
} from '../../testing/projects/environment';
import { openStarts, type Sample } from '../../testing/projects/samples';
import { givenAddresses } from '../../testing/stack/config';
import {
  askedOfProject,
  openInvariants,
  type InvariantRound,
} from '../../testing/verify/verification';
import { demandGiven } from '../given';
import type { Project } from '../project';
import {
  colors,
  conclude,
  fail,
  jsonOption,
  print,
  reportTo,
  say,
  tableOf,
  type JsonTarget,
} from '../report';

interface Options {
  readonly flow?: readonly Flow[];
  readonly json?: JsonTarget;
}

/** The project of the command line, and the file that declares it; left out: that of the working folder. */
export interface Given {
  readonly project: Project | undefined;
  readonly config: string | undefined;
}

interface Report {
  readonly played: readonly PlayedCase[];
  readonly kills: number;
  readonly books: InvariantRound;
}

const exitCodes = { proven: 0, violated: 1, couldNotBegin: 2, 'not proven': 3 } as const;
type Verdict = Exclude<keyof typeof exitCodes, 'couldNotBegin'>;

async function crashPoints(given: Given, { flow, json }: Options): Promise<number> {
  reportTo(json);
  const project = projectOf(given);
  const samples = samplesOf(project, flow);
  const servers = givenServers();
  const records = mkdtempSync(join(tmpdir(), 'accord-crash-points-'));
  say('Creating databases, a namespace and topics for this run alone …');
  const environment = await openProject({
    ...{ servers, records, folder: process.cwd(), migrations: project.migrations },
    accord: [process.argv[1] ?? '', ...(given.config ? ['--config', resolve(given.config)] : [])],
    migrate: (prefix) => migrated(project, servers, prefix),
  });
  try {
    const played = play(environment, { project, samples, servers });
    played.catch(() => undefined); // Heard below, unless a person has ended the run.
    const report = await Promise.race([played, interruption()]);
    const verdict = verdictOf(report);
    show(report);
    const { asked, violations } = report.books;
    const sentence =
      `${verdict}: ${report.played.length} crash points, ${report.kills} processes killed, ` +
      `${asked} checks asked, ${violations.length} violations.`;
    conclude(json, { verdict, ...report }, { ok: verdict === 'proven', sentence });
    if (verdict === 'proven') rmSync(records, { recursive: true });
    else print(`Logs of the processes: ${join(records, 'logs')}`);
    return exitCodes[verdict];
  } finally {
    await environment.close().catch(fail); // What it leaves behind takes no verdict away.
  }
}

function projectOf({ project }: Given): Project {
  if (project) return project;
  throw new Error(
    "There is no accord.config.js here: run the command in a project's folder, or say --config.",
  );
}

function samplesOf({ samples = [] }: Project, flows?: readonly Flow[]): readonly Sample[] {
  if (samples.length === 0)
    throw new Error(
      'The project has no samples: give defineProject a start of each flow (docs/package.md).',
    );
  const unknown = flows?.find((name) => !samples.some(({ flow }) => flow === name));
  if (unknown !== undefined)
    throw new Error(
      `There is no sample of ${unknown}: there are ${samples.map(({ flow }) => flow).join(', ')}.`,
    );
  return samples.filter(({ flow }) => flows === undefined || flows.includes(flow));
}

function givenServers(): Servers {
  const { mysql, temporal, redis, kafka } = givenAddresses();
  return {
    mysql: { adminUrl: demandGiven('MYSQL_URL', mysql, 'an administrator of MySQL') },
    temporal: {
      address: demandGiven('TEMPORAL_ADDRESS', temporal, 'host:port of Temporal'),
      namespace: 'default',
      uiUrl: undefined,
    },
    redis: { url: demandGiven('REDIS_URL', redis, 'the address of Redis') },
    kafka: { brokers: demandGiven('KAFKA_BROKERS', kafka, 'host:port of Kafka').split(',') },
  };
}

/** With passwords of this run alone: those of the folder are for databases that stay. */
function migrated({ migrations }: Project, { mysql }: Servers, prefix: string) {
  const password = `${randomBytes(21).toString('base64url')}-Aa0`; // One of each kind of letter.
  return provision(mysql.adminUrl, { migrations, prefix, secret: () => password });
}

interface Play {
  readonly project: Project;
  readonly samples: readonly Sample[];
  readonly servers: Servers;
}

async function play(
  environment: ProjectEnvironment,
  { project, samples, servers }: Play,
): Promise<Report> {
  const { application } = environment;
  await Promise.all([
    application.start('relay'),
    application.start('api', 'api', { STARTS_PER_SECOND: '100000' }), // They all start at once.
  ]);
  const played: PlayedCase[] = [];
  let kills = 0;
  for (const sample of samples) {
    const { flow } = sample;
    const starts = await openStarts(environment, sample);
    const found = await playProjectCrashPoints(environment, {
      ...{ application: project.application, flow, starts, first: 1, say },
    });
    played.push(...found.played);
    kills += found.kills;
  }
  say('Asking the invariants …');
  return { played, kills, books: await booksOf(environment, project, servers) };
}

const quietWithinMs = 60_000;
const lookEveryMs = 1_000;

/** Once nothing is open or under way any more. A run that stays open has its last round, which says so. */
async function booksOf(
  { urls, temporal, topicPrefix }: ProjectEnvironment,
  { checks = [] }: Project,
  { kafka: { brokers } }: Servers,
): Promise<InvariantRound> {
  const verifyUrls = urls['VERIFY_DATABASE_URLS'] ?? '';
  const books = openInvariants(
    { verifyUrls, temporal, kafka: { brokers, topicPrefix } },
    askedOfProject(checks),
  );
  const until = Date.now() + quietWithinMs;
  try {
    for (;;) {
      const round = await books.check('quiescent');
      const isSettled = round.isQuiet === true && round.violations.length === 0;
      if (isSettled || Date.now() > until) return round;
      await pause(lookEveryMs);
    }
  } finally {
    await books.close();
  }
}

function verdictOf({ played, books }: Report): Verdict {
  if (books.violations.length > 0 || played.some(({ outcome }) => outcome === 'violated'))
    return 'violated';
  const isAsked = played.length > 0 && books.asked > 0 && books.isQuiet === true;
  return isAsked && played.every(({ outcome }) => outcome === 'proven') ? 'proven' : 'not proven';
}

const head = ['flow', 'activity', 'crash points', 'proven', 'violated', 'not proven'];

function show({ played, books }: Report): void {
  for (const one of played.filter(({ outcome }) => outcome !== 'proven'))
    print(
      colors.red(`${one.outcome}: ${one.gid}, ${textOf(one)}: its transaction is ${one.ending}`),
    );
  for (const { oracle, database, row } of books.violations)
    print(colors.red(`${database}, ${oracle}: ${JSON.stringify(row)}`));
  const activities = [...new Set(played.map(({ flow, activity }) => `${flow} ${activity}`))];
  const rows = activities.map((name) => {
    const of = played.filter(({ flow, activity }) => `${flow} ${activity}` === name);
    const count = (wanted: PlayedCase['outcome']) =>
      of.filter(({ outcome }) => outcome === wanted).length;
    const outcomes = [count('proven'), count('violated'), count('not proven')];
    return [...name.split(' '), of.length, ...outcomes];
  });
  print(tableOf(head, rows));
}

const textOf = ({ crash, activity, point }: PlayedCase): string =>
  `${crash === 'kill' ? 'killed' : 'failed'} at ${activity}:${point}`;

function flowsOf(text: string): readonly Flow[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('Names of flows, separated by commas.');
}

/** @param given once the command line is read. */
export const crashPointsCommand = (given: () => Given): Command =>
  new Command('crash-points')
    .description(
      'Kills and fails a worker at every point of every operation of the project, and checks every ending. ' +
        'It starts the samples of the project on databases, a namespace and topics of its own, and drops them.',
    )
    .option(
      '--flow <names>',
      'only these flows, separated by commas; default: all samples',
      flowsOf,
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nReads MYSQL_URL (an administrator), TEMPORAL_ADDRESS, REDIS_URL and KAFKA_BROKERS.' +
        '\nExit code: 0 proven, 1 violated, 2 it could not be run, 3 not proven.',
    )
    .action(async (options: Options) => {
      try {
        process.exit(await crashPoints(given(), options));
      } catch (error) {
        fail(error);
        process.exit(exitCodes.couldNotBegin);
      }
    });
