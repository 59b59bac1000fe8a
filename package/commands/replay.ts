/**
 * accord replay: replays histories, recorded or fetched from a server, on the workflow code that production would load.
 * Ends with 0 where all of them replay, 1 where one does not, 3 where there was none, 2 where it could not try.
 */
import { existsSync } from 'node:fs';

import { Client } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { Command, InvalidArgumentError } from 'commander';

import {
  colors,
  conclude,
  fail,
  jsonOption,
  print,
  reportTo,
  tableOf,
  type JsonTarget,
  type Verdict,
} from '../report';
import type { Site, SiteOptions, TemporalAddress } from '../site';
import { reasonOf } from '../../runtime/waiting';
import { hashListOf, whatWasTouched } from '../../testing/replay/hash-list';
import { historiesOf, replayAll, type Replayed, type Runs } from '../../testing/replay/runs';
import { historiesInFiles, type FetchedHistory } from '../../testing/replay/sources';
import { standardProgress } from '../../testing/stack/progress';
import { connectTemporal } from '../../testing/stack/temporal-client';

interface Options extends SiteOptions {
  readonly from: readonly string[];
  readonly address?: string;
  readonly namespace?: string;
  readonly limit?: number;
  readonly json?: JsonTarget;
}

const exitCodes = { replayed: 0, refused: 1, couldNotTry: 2, nothing: 3 } as const;

/** Number of closed runs that are replayed by default. */
const newestClosed = 1_000;

async function replay(site: Site, options: Options): Promise<number> {
  reportTo(options.json);
  Runtime.install({
    // Each refusal is told once, in the words of the business.
    logger: new DefaultLogger('ERROR', () => undefined),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
  const progress = standardProgress();
  const task = progress.task('Replaying');
  try {
    const bundlePath = await site.workflowBundle();
    const replayed = await replayAll(histories(site, options), {
      bundlePath,
      say: (sentence) => progress.say(sentence),
      update: (state) => task.update(state),
    });
    task.end();
    show(replayed);
    conclude(options.json, replayed, verdictOf(replayed));
    if (replayed.failures.length > 0) return exitCodes.refused;
    return replayed.replayed === 0 ? exitCodes.nothing : exitCodes.replayed;
  } finally {
    task.end();
  }
}

async function* histories(site: Site, options: Options): AsyncGenerator<FetchedHistory> {
  const isPath = (source: string): boolean => existsSync(source);
  for (const path of options.from.filter(isPath)) {
    demandUntouched(path);
    yield* historiesInFiles(path);
  }
  const runs = runsOf(options, (source) => !isPath(source));
  if (runs.length > 0) yield* onServer(site, options, runs);
}

/** @throws where a folder with a list of checksums has not what was recorded: its replay would prove nothing. */
function demandUntouched(path: string): void {
  if (!existsSync(hashListOf(path))) return;
  const touched = whatWasTouched(path);
  if (touched.length > 0) throw new Error(touched.join(' '));
}

/** Nothing said: what a deployment must not break, every open run, parked ones included, and the newest closed ones. */
function runsOf(
  { from, limit }: Options,
  isOnServer: (source: string) => boolean,
): readonly Runs[] {
  const bounded = limit === undefined ? {} : { limit };
  if (from.length === 0) {
    return [
      { query: 'ExecutionStatus = "Running"', ...bounded },
      { query: 'ExecutionStatus != "Running"', limit: limit ?? newestClosed },
    ];
  }
  return from
    .filter(isOnServer)
    .map((source) => (isQuery(source) ? { query: source, ...bounded } : source));
}

/** No id of a run has any of these. */
const isQuery = (source: string): boolean => /[\s=<>'"]/.test(source);

async function* onServer(
  site: Site,
  options: Options,
  runs: readonly Runs[],
): AsyncGenerator<FetchedHistory> {
  const { address, namespace, apiKey } = await temporalOf(site, options);
  const connection = await connectTemporal(address, { apiKey });
  try {
    yield* historiesOf(new Client({ connection, namespace }), runs);
  } finally {
    await connection.close();
  }
}

/** What is given at the command line takes the place of what the site knows. */
async function temporalOf(site: Site, options: Options): Promise<TemporalAddress> {
  const { address, namespace, from } = options;
  const known = await site.temporal(options).catch((error: unknown) => {
    if (address !== undefined) return { address, namespace: 'default' };
    const missing = from.length > 0 ? `There is no file ${from.join(', ')}. ` : '';
    throw new Error(`${missing}${reasonOf(error)}`, { cause: error });
  });
  return { ...known, ...(address && { address }), ...(namespace && { namespace }) };
}

/** The sentences of what was refused have been said already, as it happened. */
function show({ replayed, untouched, flows }: Replayed): void {
  const rows = Object.entries(flows).sort();
  if (replayed > 0) print(tableOf(['flow', 'replayed'], rows));
  if (untouched > 0) print(colors.dim(`${untouched} runs have not begun: nothing to replay.`));
}

function verdictOf({ replayed, failures }: Replayed): Verdict {
  const isAny = replayed > 0 || failures.length > 0;
  const sentence = `${replayed} histories replayed, ${failures.length} refused.`;
  return isAny
    ? { ok: failures.length === 0, sentence }
    : { ok: false, sentence: 'Nothing was replayed: this proves nothing.' };
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number, at least 1.');
  return count;
}

const collect = (source: string, before: readonly string[]): readonly string[] => [
  ...before,
  source,
];

export function replayCommand(site: Site): Command {
  const command = new Command('replay')
    .description(
      'Checks that the workflow code can continue these runs. Without --from: every open run of the server, ' +
        `with parked ones, and its newest ${newestClosed} closed ones.`,
    )
    .option(
      '-f, --from <gid|file|folder|query>',
      'a transaction, a history as JSON, a folder of them, or a query such as \'AccordState = "parked"\'; repeatable',
      collect,
      [],
    )
    .option('--address <host:port>', 'address of Temporal; default: TEMPORAL_ADDRESS')
    .option('--namespace <name>', 'namespace of Temporal; default: TEMPORAL_NAMESPACE')
    .option('--limit <count>', 'maximum runs of each query, the newest first', countOf)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExit code: 0 all replay, 1 a run is refused, 2 it could not be run, 3 nothing was replayed.',
    )
    .showHelpAfterError()
    .action(async (options: Options) => {
      try {
        // Also where a replay is stuck for good: the worker in it would keep this process alive.
        process.exit(await replay(site, options));
      } catch (error) {
        fail(error);
        process.exit(exitCodes.couldNotTry);
      }
    });
  for (const option of site.options('profile of the server, without an address'))
    command.addOption(option);
  return command;
}
