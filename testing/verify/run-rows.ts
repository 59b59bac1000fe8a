/** The rows of `accord.runs` that are compared with the runs in Temporal. */
import type { Reading } from '../../invariants/reading';
import type { Gid } from '../../contracts/engine/ids';
import type { Finding } from './findings';

export interface RunsCompared {
  readonly rows: number;
  readonly violations: readonly Finding[];
}

export interface RunRow {
  readonly gid: Gid;
  /** Workflow id. */
  readonly owner: string;
  readonly lane: 'single' | 'batch';
  readonly state: string;
  readonly isOpen: 0 | 1;
  readonly isStarted: 0 | 1;
  /** Age of the newest sign of its start. */
  readonly ageSeconds: number;
}

const chunk = 500;
const columns = `gid, owner, lane, state, ended_at IS NULL AS isOpen,
  start_sent_at IS NOT NULL AND start_confirmed_at IS NOT NULL AS isStarted,
  TIMESTAMPDIFF(SECOND, GREATEST(accepted_at, COALESCE(start_sent_at, accepted_at)), UTC_TIMESTAMP(3)) AS ageSeconds`;

/** Open ones, and those that have ended since. */
export async function rowsOf(
  accord: Reading,
  endedSinceSeconds: number,
): Promise<readonly RunRow[]> {
  const rows: RunRow[] = [];
  let after = '';
  for (let isLast = false; !isLast;) {
    const page = await accord.select<RunRow>(
      `SELECT ${columns} FROM runs
         WHERE gid > ? AND (ended_at IS NULL OR ended_at > UTC_TIMESTAMP(3) - INTERVAL ? SECOND)
         ORDER BY gid LIMIT ?`,
      [after, endedSinceSeconds, chunk],
    );
    rows.push(...page);
    after = page.at(-1)?.gid ?? after;
    isLast = page.length < chunk;
  }
  return rows;
}

/** Those that are still open under the same owner, as they are now. */
export async function rowsAgain(
  accord: Reading,
  rows: readonly RunRow[],
): Promise<readonly RunRow[]> {
  const owners = new Map(rows.map(({ gid, owner }) => [gid, owner]));
  const again = await inChunks([...owners.keys()], (gids) =>
    accord.select<RunRow>(
      `SELECT ${columns} FROM runs WHERE gid IN (?) AND ended_at IS NULL ORDER BY gid`,
      [gids],
    ),
  );
  return again.filter(({ gid, owner }) => owners.get(gid) === owner);
}

/** @returns those that no row bears as `column`. */
export async function unknownOf(
  accord: Reading,
  column: 'gid' | 'owner',
  ids: readonly string[],
): Promise<readonly string[]> {
  const before = [...ids]; // Who gave it may add to it meanwhile.
  const rows = await inChunks(before, (asked) =>
    accord.select<{ readonly id: string }>(
      `SELECT DISTINCT ${column} AS id FROM runs WHERE ${column} IN (?)`,
      [asked],
    ),
  );
  const known = new Set(rows.map(({ id }) => id));
  return before.filter((id) => !known.has(id));
}

async function inChunks<Item, Row>(
  items: readonly Item[],
  ask: (items: readonly Item[]) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let at = 0; at < items.length; at += chunk)
    rows.push(...(await ask(items.slice(at, at + chunk))));
  return rows;
}
