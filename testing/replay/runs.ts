import { join } from 'node:path';

import type { Client } from '@temporalio/client';

import { application } from '../../contracts/engine/application';
import { checkout } from '../stack/config';
import { replayHistories, type GateOptions } from './gate';
import {
  historiesOfGid,
  historiesOnServer,
  type FetchedHistory,
  type RunsOfServer,
} from './sources';

/** The bundle that production loads; `build()` brings it up to date. */
export const productionBundle = join(checkout, 'dist', 'workflow-bundle.js');

export interface ReplayFailure {
  readonly gid: string;
  readonly runId: string;
  readonly sentence: string;
}

/** What a replay has come to. Nothing replayed is no success: `replayed` is 0 then. */
export interface Replayed {
  readonly replayed: number;
  /** Runs without a completed workflow task: there is nothing to replay yet. */
  readonly untouched: number;
  /** Replayed histories by flow; those of jobs by their workflow type. */
  readonly flows: Readonly<Record<string, number>>;
  readonly failures: readonly ReplayFailure[];
}

export interface Listening extends Partial<GateOptions> {
  /** Told of each history that is refused, as it happens. */
  readonly say?: (sentence: string) => void;
  readonly update?: (state: string) => void;
}

/** Where runs are: found by a query, or every run under an id. */
export type Runs = RunsOfServer | string;

/**
 * Replays live runs, open, parked and closed alike, on the code that production loads. Changes nothing on the server.
 *
 * @param client of the namespace that the runs are in.
 */
export const replayRuns = ({
  client,
  runs,
  ...options
}: Listening & { readonly client: Client; readonly runs: readonly Runs[] }): Promise<Replayed> =>
  replayAll(historiesOf(client, runs), options);

/** Replays histories, and counts them by flow. */
export async function replayAll(
  histories: Iterable<FetchedHistory> | AsyncIterable<FetchedHistory>,
  { say, update, bundlePath = productionBundle, ...options }: Listening = {},
): Promise<Replayed> {
  const flows: Record<string, number> = {};
  const failures: ReplayFailure[] = [];
  let [replayed, untouched] = [0, 0];
  for await (const verdict of replayHistories(histories, { ...options, bundlePath })) {
    const { of, kind, sentence, workflowType } = verdict;
    if (kind === 'refused') {
      failures.push({ gid: of.gid, runId: of.runId, sentence });
      say?.(sentence);
    } else if (kind === 'untouched') untouched += 1;
    else {
      replayed += 1;
      const flow = flowOf(workflowType);
      flows[flow] = (flows[flow] ?? 0) + 1;
    }
    update?.(`${replayed} histories, ${failures.length} refused`);
  }
  return { replayed, untouched, flows, failures };
}

const flowOf = (workflowType: string): string =>
  Object.values(application().flows).find(({ workflow }) => workflow === workflowType)?.name ??
  workflowType;

/** The histories of runs, each once, also where several queries find it. */
export async function* historiesOf(
  client: Client,
  runs: readonly Runs[],
): AsyncGenerator<FetchedHistory> {
  const seen = new Set<string>();
  for (const each of runs) {
    const found =
      typeof each === 'string' ? historiesOfGid(client, each) : historiesOnServer(client, each);
    for await (const history of found) {
      if (seen.has(history.runId)) continue;
      seen.add(history.runId);
      yield history;
    }
  }
}
