/** Open rows of `accord.runs` without a move for long. Their runs may be lost. */
import { application } from '../../contracts/engine/application';
import { isOperatorFlow, partsOfGid, type Gid } from '../../contracts/engine/ids';
import type { AmountAtRisk } from '../../contracts/engine/money';
import {
  reconcileAgeSeconds,
  type FoundAmount,
  type OpenRun,
} from '../../contracts/engine/reconciliation';
import { inputOfNextRun } from '../fence/accepted-runs';
import type { SqlPool } from '../fence/sql-transaction';

interface OpenRow {
  readonly gid: Gid;
  readonly state: string;
  readonly input: Buffer | null;
  readonly at_risk: readonly AmountAtRisk[];
  /** Seconds, as digits. */
  readonly age: string;
  readonly deadline_at: Date;
  /** 0 or 1, as a digit. */
  readonly is_overdue: string;
  /** Milliseconds since 1970, as digits. */
  readonly now_ms: string;
}

/** Open rows that one page reads, however many findings are among them: an outage may leave a million rows. */
const rowsLookedAt = 1_000;

/**
 * One page by gid, of an index that begins with the open rows.
 *
 * The starter handles a row whose start is not confirmed, until it is as old as a row without a move. A row that waits
 * for a person is checked rarely: there may be many, and each costs the attempt of a start.
 */
export async function openRunsBehind(
  accord: SqlPool,
  { after, rows }: { readonly after: Gid | null; readonly rows: number },
): Promise<{ readonly runs: readonly OpenRun[]; readonly next: Gid | null }> {
  const { overdue, idle, waiting } = reconcileAgeSeconds;
  const last = await lastLookedAt(accord, after);
  const found = await accord.select<OpenRow>(
    `SELECT gid, state, input, at_risk, deadline_at, is_overdue,
            CAST(TIMESTAMPDIFF(SECOND, accepted_at, UTC_TIMESTAMP(3)) AS CHAR) AS age,
            CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000 AS CHAR) AS now_ms
       FROM (SELECT gid, state, input, at_risk, deadline_at, accepted_at, start_confirmed_at,
                    state <> 'parked' AND deadline_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND AS is_overdue,
                    GREATEST(accepted_at, COALESCE(start_sent_at, accepted_at), FROM_UNIXTIME(moved_at / 1000))
                      < UTC_TIMESTAMP(3) - INTERVAL IF(state = 'parked'
                        OR (early_status = 'review' AND deadline_at > UTC_TIMESTAMP(3)), ?, ?) SECOND AS is_idle
               FROM runs FORCE INDEX (open_runs)
               WHERE ended_at IS NULL AND gid > ? AND gid <= ?) open_rows
       WHERE is_idle OR (is_overdue AND start_confirmed_at IS NOT NULL)
       ORDER BY gid LIMIT ?`,
    [overdue, waiting, idle, after ?? '', last ?? highestGid, rows],
  );
  const underWay = await switchesUnderWay(
    accord,
    found.map(({ gid }) => gid),
  );
  const runs = found.flatMap((row) => openRunOf(row, underWay.has(row.gid)));
  return { runs, next: found.length === rows ? (found.at(-1)?.gid ?? null) : last };
}

/** Sorts after every gid: gids have letters, digits and few signs. */
const highestGid = '~';

/** @returns `null`: fewer rows than that are left. */
async function lastLookedAt(accord: SqlPool, after: Gid | null): Promise<Gid | null> {
  const [row] = await accord.select<{ readonly gid: Gid }>(
    `SELECT gid FROM runs FORCE INDEX (open_runs) WHERE ended_at IS NULL AND gid > ?
       ORDER BY gid LIMIT 1 OFFSET ${rowsLookedAt - 1}`,
    [after ?? ''],
  );
  return row?.gid ?? null;
}

/**
 * Switches that hold the row of a cluster. Until they have ended, its regions do not move, and starts are refused.
 */
async function switchesUnderWay(accord: SqlPool, gids: readonly Gid[]): Promise<ReadonlySet<Gid>> {
  const switches = gids.filter((gid) => {
    const parts = partsOfGid(gid);
    return parts !== undefined && isOperatorFlow(parts.flow);
  });
  if (switches.length === 0) return new Set();
  const holders = await accord.select<{ readonly holder_gid: Gid }>(
    'SELECT holder_gid FROM cluster_state WHERE holder_gid IN (?)',
    [switches],
  );
  return new Set(holders.map(({ holder_gid }) => holder_gid));
}

function openRunOf(row: OpenRow, isUnderWay: boolean): readonly OpenRun[] {
  const { gid, state, at_risk, age, is_overdue, now_ms } = row;
  const flow = partsOfGid(gid)?.flow;
  const definition = flow === undefined ? undefined : application().flows[flow];
  if (!definition) return []; // The flow belongs to another build, so this one cannot run it.
  const since = is_overdue === '1' ? 'its deadline has passed' : 'it has not moved for long';
  return [
    {
      gid,
      workflow: definition.workflow,
      input: inputOfNextRun(row, isUnderWay, Number(now_ms)),
      finding: {
        kind: 'run_without_owner',
        participant: 'accord',
        gid,
        branch: null,
        subject: gid,
        amounts: at_risk.map(asFound),
        ageSeconds: Number(age),
        detail: `Its row is ${state}, ${since}, and no run in Temporal brings it to its ending.`,
      },
    },
  ];
}

/** The row keeps money as a number, within `minorUnitsMax`. */
export const asFound = (amount: AmountAtRisk): FoundAmount =>
  amount.kind === 'stock' ? amount : { ...amount, minorUnits: String(amount.minorUnits) };
