/**
 * accord record-history: writes the history of a run that has ended into a folder, with its checksum beside it. `accord
 * replay --from <folder>` replays what stands there. A recording is never replaced.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Client } from '@temporalio/client';
import { Command, InvalidArgumentError } from 'commander';

import { writeWholeOnce } from '../../runtime/whole-file';
import { enterHash, hashListOf, isListed } from '../../testing/replay/hash-list';
import { isEnded, isOfARealWorker, type History } from '../../testing/replay/history';
import { fetchHistory } from '../../testing/replay/sources';
import { connectTemporal } from '../../testing/stack/temporal-client';
import type { Site, SiteOptions } from '../site';

interface Options extends SiteOptions {
  readonly to: string;
  readonly name?: string;
}

async function record(site: Site, gid: string, options: Options): Promise<void> {
  const { to: folder, name = gid.replaceAll(':', '-') } = options;
  const file = join(folder, `${name}.json`);
  if (isListed(folder, `${name}.json`)) demandNew(file);
  const history = await historyOf(site, gid, options);
  demandWhole(gid, history);
  mkdirSync(folder, { recursive: true });
  const text = withoutFolder(JSON.stringify(history, undefined, 2), process.cwd());
  writeOnce(file, `${text}\n`);
  enterHash(folder, `${name}.json`);
  console.error(`Recorded ${file}; its checksum is in ${hashListOf(folder)}. Commit both.`);
}

/** Recordings are committed. */
const readableByAll = 0o644;

function demandNew(file: string): void {
  if (!existsSync(file)) return;
  throw new Error(
    `${file} is recorded already, and a recording is never replaced: runs of that day may be open. Choose another --name.`,
  );
}

/** A file that is this recording already is what a command has left that was cut off before it entered the checksum. */
function writeOnce(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  demandNew(file);
  writeWholeOnce(file, text, readableByAll); // Another process may have been quicker.
}

async function historyOf(site: Site, gid: string, options: Options): Promise<History> {
  const { address, namespace, apiKey } = await site.temporal(options);
  const connection = await connectTemporal(address, { apiKey });
  try {
    return (await fetchHistory(new Client({ connection, namespace }), gid)).history;
  } finally {
    await connection.close();
  }
}

/** A later replay of anything else would prove little, or nothing. */
function demandWhole(gid: string, history: History): void {
  if (!isEnded(history))
    throw new Error(`${gid} has not ended: its history is recorded when it has.`);
  if (!isOfARealWorker(history))
    throw new Error(
      `${gid} was not run by a worker of this SDK: its replay would compare too little.`,
    );
}

/** Stack traces name files of this machine. Replay does not need them. */
export const withoutFolder = (text: string, folder: string): string =>
  folder === '/' ? text : text.replaceAll(`${folder}/`, '');

function nameOf(text: string): string {
  if (/^\w[\w.~-]{0,127}$/.test(text)) return text;
  throw new InvalidArgumentError(
    'A name is letters, digits, and . _ ~ - behind the first of them.',
  );
}

export function recordHistoryCommand(site: Site): Command {
  const command = new Command('record-history')
    .description(
      'Records the history of a transaction that has ended, with its checksum, for accord replay. ' +
        'It contains the data of the transaction.',
    )
    .argument('<gid>', 'the transaction, such as trip:demo.T-1')
    .option('-t, --to <folder>', 'where recordings stand', 'histories')
    .option('-n, --name <name>', 'name of the file; default: the gid', nameOf)
    .action((gid: string, options: Options) => record(site, gid, options));
  for (const option of site.options('profile of the server')) command.addOption(option);
  return command;
}
