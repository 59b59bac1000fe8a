/** Switches and rejoins of one cluster that have not ended. Each needs a run in Temporal. */
import {
  isOperatorFlow,
  partsOfGid,
  type Gid,
  type OperatorFlow,
} from '../../../contracts/engine/ids';
import type { TransactionInput } from '../../../contracts/engine/transaction';
import { inputOfNextRun } from '../../fence/accepted-runs';
import type { SqlPool } from '../../fence/sql-transaction';

export interface OpenMove {
  readonly gid: Gid;
  readonly flow: OperatorFlow;
  /** The time to start it is over for the process that accepted it, or claimed its start. */
  readonly isDue: boolean;
  /** Input of another run. */
  readonly input: TransactionInput;
}

/** Time after its acceptance, or after the last claim of its start. */
const startWithinSeconds = 3;

export type OpenMoves = ReturnType<typeof createOpenMoves>;

/**
 * @param accord pool of a failover worker.
 * @param now clock of the hub, in milliseconds since 1970.
 */
export function createOpenMoves(accord: SqlPool, cluster: string, now: () => number) {
  return {
    async list(): Promise<readonly OpenMove[]> {
      const rows = await accord.select<OpenRow>(
        `SELECT r.gid, r.input, r.deadline_at, COALESCE(c.holder_gid = r.gid, 0) AS is_under_way,
                COALESCE(r.start_sent_at, r.accepted_at) < UTC_TIMESTAMP(3) - INTERVAL ? SECOND AS is_due
           FROM runs r FORCE INDEX (by_state) LEFT JOIN cluster_state c ON c.cluster = r.tenant
          WHERE r.tenant = ? AND r.state IN ('accepted', 'running', 'undoing', 'parked')`,
        [startWithinSeconds, cluster],
      );
      return rows.flatMap((row) => {
        const flow = partsOfGid(row.gid)?.flow;
        const input = inputOfNextRun(row, Number(row.is_under_way) === 1, now());
        const isDue = Number(row.is_due) === 1;
        return flow && isOperatorFlow(flow) && input ? [{ gid: row.gid, flow, isDue, input }] : [];
      });
    },

    /**
     * Marks it as sent before it is started. From then on a cancel goes to the run, and no longer ends the row by
     * itself.
     * @returns false: it has ended meanwhile, and must not be started.
     */
    claim: async (gid: Gid): Promise<boolean> =>
      (await accord.change(
        'UPDATE runs SET start_sent_at = UTC_TIMESTAMP(3) WHERE gid = ? AND ended_at IS NULL',
        [gid],
      )) === 1,
  };
}

interface OpenRow {
  readonly gid: Gid;
  readonly input: Buffer | null;
  readonly deadline_at: Date;
  readonly is_under_way: number | string;
  readonly is_due: number | string;
}
