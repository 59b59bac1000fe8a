import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';

import { parseHistory, type History, type NamedHistory } from './history';

/** A history, and whose it is; that of a file has its name for a gid. */
export interface FetchedHistory extends NamedHistory {
  readonly gid: string;
  readonly runId: string;
}

/** Histories that are asked for while one is replayed. */
const fetchedAhead = 8;

/** The histories of a file, or of every `.json` file of a folder, named after their files. */
export function* historiesInFiles(path: string): Generator<FetchedHistory> {
  const isFolder = statSync(path).isDirectory();
  const files = isFolder
    ? readdirSync(path)
        .filter((file) => file.endsWith('.json'))
        .sort()
        .map((file) => join(path, file))
    : [path];
  for (const file of files) {
    const name = basename(file, '.json');
    yield { name, gid: name, runId: '', history: historyIn(file) };
  }
}

function historyIn(file: string): History {
  try {
    return parseHistory(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read as a history.`, { cause: error });
  }
}

export interface RunsOfServer {
  /** A query of Temporal's visibility: `AccordState = "parked"`. */
  readonly query: string;
  /** Most runs to fetch, the newest first. */
  readonly limit?: number;
}

/** The histories of all runs that a query finds, open and closed alike: those of a reset and of each continuation too. */
export async function* historiesOnServer(
  client: Client,
  { query, limit = Infinity }: RunsOfServer,
): AsyncGenerator<FetchedHistory> {
  const waiting: Promise<FetchedHistory>[] = [];
  let found = 0;
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    if ((found += 1) > limit) break;
    const fetched = fetchHistory(client, workflowId, runId);
    fetched.catch(() => undefined); // Heard when its turn has come.
    waiting.push(fetched);
    const next = waiting.length > fetchedAhead ? waiting.shift() : undefined;
    if (next) yield await next;
  }
  for (const each of waiting) yield await each;
}

/** The history of one run; without a run id, of the newest one under the id. */
export async function fetchHistory(
  client: Client,
  gid: string,
  runId?: string,
): Promise<FetchedHistory> {
  const handle = client.workflow.getHandle(gid, runId);
  const known = runId ?? (await handle.describe()).runId;
  try {
    const history = parseHistory(historyToJSON(await handle.fetchHistory()));
    return { name: `${gid} (run ${known})`, gid, runId: known, history };
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    // Deleted since it was found: it is told of, not passed over.
    return { name: `${gid} (run ${known})`, gid, runId: known, history: { events: [] } };
  }
}

/** Visibility may lag behind: the newest run is asked for by its id, the others by a query. */
export async function* historiesOfGid(client: Client, gid: string): AsyncGenerator<FetchedHistory> {
  const newest = await fetchHistory(client, gid);
  yield newest;
  for await (const history of historiesOnServer(client, { query: `WorkflowId = '${gid}'` })) {
    if (history.runId !== newest.runId) yield history;
  }
}
