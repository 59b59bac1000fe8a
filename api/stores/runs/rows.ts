/** Rows of `accord.runs` as they are read. */
import type { Flow, Gid, Tenant } from '../../../contracts/engine/ids';
import type { AmountAtRisk } from '../../../contracts/engine/money';
import type { KeptResolution } from '../../../contracts/engine/resolutions';
import type {
  EarlyStatus,
  RunState,
  TransactionInput,
} from '../../../contracts/engine/transaction';
import type { People } from '../../http/people';
import type { Database } from '../database';

/** The row of a transaction as callers may see it. */
export interface RunRow {
  readonly gid: Gid;
  readonly tenant: Tenant;
  readonly flow: Flow;
  readonly state: RunState;
  readonly step: string | null;
  readonly reason: string | null;
  readonly pivotPassed: boolean;
  readonly lane: 'single' | 'batch';
  /** Workflow id of the run that coordinates it: its gid, or a batch. */
  readonly owner: string;
  readonly region: string;
  readonly epoch: number;
  readonly version: number;
  readonly acceptedAt: Date;
  readonly deadlineAt: Date;
  /** For how long its step has been failing; `null`: it has not, or not for long. */
  readonly stuckSinceMs: number | null;
  readonly endedAt: Date | null;
  readonly startSentAt: Date | null;
  readonly startConfirmedAt: Date | null;
  readonly atRisk: readonly AmountAtRisk[];
  /** What was told before the ending; written once. */
  readonly early: EarlyStatus | null;
  /** What persons have answered for, once it has ended; `null`: nothing. */
  readonly resolvedByHand: readonly KeptResolution[] | null;
  /** All the people who may stand behind the credential that started it; none where a machine did. */
  readonly requester: People;
  /** The answer, byte for byte; not read for lists. */
  readonly ending: Buffer | null;
}

/** What a waiting caller looks at. */
export interface RunGlance {
  readonly gid: Gid;
  readonly state: RunState;
  readonly early: EarlyStatus | null;
}

const glanceColumns = 'gid, state, early_status AS early';
/** Columns of a `RawRow`, without its ending. */
export const listColumns = `gid, tenant, flow, state, step, reason, pivot_passed AS pivotPassed, lane, owner, region, epoch, version,
  accepted_at AS acceptedAt, deadline_at AS deadlineAt, ended_at AS endedAt,
  TIMESTAMPDIFF(MICROSECOND, stuck_since, UTC_TIMESTAMP(3)) DIV 1000 AS stuckSinceMs,
  start_sent_at AS startSentAt, start_confirmed_at AS startConfirmedAt, at_risk AS atRisk,
  early_status AS early, requester, resolved_by_hand AS resolvedByHand`;

/** A row as the driver reads it. */
export type RawRow = Omit<RunRow, 'pivotPassed'> & { readonly pivotPassed: 0 | 1 };

export const runOf = (row: RawRow): RunRow => ({ ...row, pivotPassed: row.pivotPassed === 1 });

/** What a row is found by: nobody sees one of another tenant. */
export interface RunKey {
  readonly tenant: Tenant;
  readonly gid: Gid;
}

/** The row of each key; `undefined`: there is none. */
export async function findRuns(
  database: Database,
  keys: readonly RunKey[],
): Promise<readonly (RunRow | undefined)[]> {
  const rows = await database.select<RawRow>(
    `SELECT ${listColumns}, ending FROM runs FORCE INDEX (PRIMARY) WHERE gid IN (?)`,
    [keys.map(({ gid }) => gid)],
  );
  const byGid = new Map(rows.map((row) => [row.gid, row]));
  return keys.map(({ tenant, gid }) => {
    const row = byGid.get(gid);
    return row?.tenant === tenant ? runOf(row) : undefined;
  });
}

/** What a run was accepted with, as long as it has not ended. */
export async function findInput(
  database: Database,
  tenant: Tenant,
  gid: Gid,
): Promise<TransactionInput | undefined> {
  const [row] = await database.select<{ readonly input: Buffer | null }>(
    'SELECT input FROM runs WHERE gid = ? AND tenant = ?',
    [gid, tenant],
  );
  return row?.input ? inputOf(row.input) : undefined;
}

export const glance = (database: Database, gids: readonly Gid[]): Promise<readonly RunGlance[]> =>
  database.select<RunGlance>(`SELECT ${glanceColumns} FROM runs WHERE gid IN (?)`, [gids]);

/** Written by `acceptRun`, so it is what was validated there. */
export const inputOf = (input: Buffer): TransactionInput =>
  JSON.parse(input.toString('utf8')) as TransactionInput;
