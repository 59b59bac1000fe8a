/** X1: the rows of `accord.runs` beside the runs in Temporal. */
import type { Client } from '@temporalio/client';

import type { Reading } from '../../invariants/reading';
import { application } from '../../contracts/engine/application';
import { isBatchId } from '../../contracts/engine/batches';
import type { Gid } from '../../contracts/engine/ids';
import type { Finding } from './findings';
import { rowsOf, unknownOf, type RunsCompared } from './run-rows';
import { askEach, gidsOfBatch, standingOf } from './temporal-reading';

/** Temporal forgets a closed run after its retention; an hour before that nothing is missed. */
const marginSeconds = 3_600;

/**
 * X1: every accepted transaction has a row, Temporal knows the owner of every started one, and Temporal runs no others.
 * Sound at any moment: the table is read before Temporal where Temporal may lack something, and again after it.
 *
 * @param accepted what clients were told is accepted.
 */
export async function compareRuns(
  accord: Reading,
  temporal: Client,
  accepted: readonly Gid[],
): Promise<RunsCompared> {
  const violations: Finding[] = [];
  const add = (gid: string, wrong: string): void =>
    void violations.push({ database: 'accord', row: { gid, wrong } });

  const retentionSeconds = await retentionSecondsOf(temporal);
  const known = await rowsOf(accord, Math.max(0, retentionSeconds - marginSeconds));
  const listed = await listRuns(temporal);
  const unlisted = known.filter(({ owner, isStarted }) => isStarted === 1 && !listed.has(owner));
  const standings = await askEach(
    unlisted.map(({ owner }) => owner),
    (owner) => standingOf(temporal, owner),
  );
  for (const { gid, owner } of unlisted)
    if (standings.get(owner) === undefined)
      add(gid, 'its start was confirmed, and Temporal knows no run');

  const owners = new Set(known.map(({ owner }) => owner));
  const ownerless = [...listed].filter((id) => !owners.has(id));
  for (const gid of await unknownOf(accord, 'gid', await gidsOf(accord, temporal, ownerless)))
    add(gid, 'Temporal has a run, and accord no row');
  for (const gid of await unknownOf(accord, 'gid', accepted))
    add(gid, 'a client was told that it is accepted, and there is no row');
  return { rows: known.length + accepted.length, violations };
}

/** The transactions of workflows. The rows of a batch that all have left it bear other owners. */
async function gidsOf(
  accord: Reading,
  temporal: Client,
  ids: readonly string[],
): Promise<readonly Gid[]> {
  const batches = await unknownOf(accord, 'owner', ids.filter(isBatchId));
  const carried = await askEach(batches, (id) => gidsOfBatch(temporal, id));
  return [
    ...ids.filter((id) => !isBatchId(id)),
    ...[...carried.values()].flatMap((gids) => [...(gids ?? [])]),
  ];
}

async function retentionSecondsOf({ workflowService, options }: Client): Promise<number> {
  const { config } = await workflowService.describeNamespace({ namespace: options.namespace });
  return Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0);
}

/** Ids of the runs of transactions. A list lags, so the caller looks up each missing id. */
async function listRuns(temporal: Client): Promise<ReadonlySet<string>> {
  const types = [...new Set(Object.values(application().flows).map(({ workflow }) => workflow))];
  const ids = new Set<string>();
  const query = `WorkflowType IN (${types.map((type) => `'${type}'`).join(', ')})`;
  for await (const { workflowId } of temporal.workflow.list({ query, pageSize: 1_000 }))
    ids.add(workflowId);
  return ids;
}
