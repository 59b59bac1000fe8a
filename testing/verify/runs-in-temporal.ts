/** X1 and X7: the rows of `accord.runs` beside the runs in Temporal. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';

import type { Reading } from '../../invariants/reading';
import { application } from '../../contracts/engine/application';
import type { Gid } from '../../contracts/engine/ids';
import type { Finding } from './findings';

export interface RunsCompared {
  readonly rows: number;
  readonly violations: readonly Finding[];
}

const chunk = 500;
/** Describes at one time. */
const askedAtOnce = 20;
/** Temporal forgets a closed run after its retention; an hour before that nothing is missed. */
const marginSeconds = 3_600;
/** A start is sent again after 10 s, and that takes 30 s at most. */
const startSeconds = 40;

interface Row {
  readonly gid: Gid;
  readonly owner: string;
  readonly state: string;
  readonly isOpen: 0 | 1;
  readonly isStarted: 0 | 1;
  /** Age of the newest sign of its start. */
  readonly ageSeconds: number;
}

/**
 * X1: every accepted transaction has a row, Temporal knows every started one, and Temporal runs no others.
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

  const known = await rowsOf(accord, await retentionSecondsOf(temporal));
  const listed = await listRuns(temporal);
  const unlisted = known.filter(({ owner, isStarted }) => isStarted === 1 && !listed.has(owner));
  await each(unlisted, async ({ gid, owner }) => {
    if ((await statusOf(temporal, owner)) === undefined)
      add(gid, 'its start was confirmed, and Temporal knows no run');
  });

  const owners = new Set(known.map(({ owner }) => owner));
  for (const gid of await unknownOf(
    accord,
    [...listed].filter((id) => !owners.has(id)),
  ))
    add(gid, 'Temporal has a run, and accord no row');
  for (const gid of await unknownOf(accord, accepted))
    add(gid, 'a client was told that it is accepted, and there is no row');
  return { rows: known.length + accepted.length, violations };
}

/** X7: an open row has a living run, or its start is still being sent. The row is read again after its run. */
export async function findUnowned(accord: Reading, temporal: Client): Promise<RunsCompared> {
  const open = (await rowsOf(accord, 0)).filter(({ isOpen }) => isOpen === 1);
  const suspects: Row[] = [];
  await each(open, async (row) => {
    if (row.isStarted === 0 && row.ageSeconds < startSeconds) return;
    if ((await statusOf(temporal, row.owner)) !== 'RUNNING') suspects.push(row);
  });
  const violations: Finding[] = [];
  for (let at = 0; at < suspects.length; at += chunk) {
    const again = await accord.select<{ readonly gid: Gid; readonly state: string }>(
      'SELECT gid, state FROM runs WHERE gid IN (?) AND ended_at IS NULL',
      [suspects.slice(at, at + chunk).map(({ gid }) => gid)],
    );
    for (const { gid, state } of again)
      violations.push({
        database: 'accord',
        row: { gid, state, wrong: 'open, and no run owns it' },
      });
  }
  return { rows: open.length, violations };
}

/** Open ones, and those that Temporal still knows. */
async function rowsOf(accord: Reading, retentionSeconds: number): Promise<readonly Row[]> {
  const rows: Row[] = [];
  let after = '';
  for (let isLast = false; !isLast;) {
    const page = await accord.select<Row>(
      `SELECT gid, owner, state, ended_at IS NULL AS isOpen,
              start_sent_at IS NOT NULL AND start_confirmed_at IS NOT NULL AS isStarted,
              TIMESTAMPDIFF(SECOND, GREATEST(accepted_at, COALESCE(start_sent_at, accepted_at)), UTC_TIMESTAMP(3)) AS ageSeconds
         FROM runs WHERE gid > ? AND (ended_at IS NULL OR ended_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND)
         ORDER BY gid LIMIT ?`,
      [after, Math.max(0, retentionSeconds - marginSeconds), chunk],
    );
    rows.push(...page);
    after = page.at(-1)?.gid ?? after;
    isLast = page.length < chunk;
  }
  return rows;
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

/** `undefined`: there is no such run. */
async function statusOf(temporal: Client, id: string): Promise<string | undefined> {
  try {
    return (await temporal.workflow.getHandle(id).describe()).status.name;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

async function unknownOf(accord: Reading, gids: readonly string[]): Promise<readonly string[]> {
  const unknown: string[] = [];
  for (let at = 0; at < gids.length; at += chunk) {
    const asked = gids.slice(at, at + chunk);
    const rows = await accord.select<{ readonly gid: string }>(
      'SELECT gid FROM runs WHERE gid IN (?)',
      [asked],
    );
    const known = new Set(rows.map(({ gid }) => gid));
    unknown.push(...asked.filter((gid) => !known.has(gid)));
  }
  return unknown;
}

async function each<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length; at += askedAtOnce)
    await Promise.all(items.slice(at, at + askedAtOnce).map(work));
}
