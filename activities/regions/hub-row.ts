/**
 * The hub's row of a cluster: the active region, its epoch, and the switch or rejoin that holds it. Every change is one
 * compare-and-set, so two concurrent changes never both succeed.
 */
import type { Gid } from '../../contracts/engine/ids';
import type { RegionStatus } from '../../contracts/regions/regions';
import type { SqlPool } from '../fence/sql-transaction';
import {
  advanceEpoch,
  deciding,
  decisionOf,
  keep,
  sealRejoin,
  sealSwitch,
  type Decision,
  type Move,
  type Rejoin,
} from './switch/decisions';
import { republishing } from './switch/republishing';

export interface HubRow {
  readonly region: string;
  readonly epoch: number;
  /** A commit is acknowledged when a standby has it. */
  readonly sync: boolean;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  readonly holder: Gid | null;
  readonly sequence: number;
}

/** State of one switch or rejoin in the hub. */
export interface Standing {
  /** It holds the row: it has begun, and has not ended. */
  readonly isHolder: boolean;
  readonly decision: Decision;
}

export type HubStore = ReturnType<typeof createHubStore>;

/** @param accord pool of a failover worker: only its user may change the row. */
export function createHubStore(accord: SqlPool, cluster: string) {
  async function read(): Promise<HubRow> {
    const [row] = await accord.select<{
      readonly region: string;
      readonly epoch: string | number;
      readonly sync: string | number;
      readonly state: HubRow['state'];
      readonly holder_gid: Gid | null;
      readonly sequence: string | number;
    }>(
      'SELECT region, epoch, sync, state, holder_gid, sequence FROM cluster_state WHERE cluster = ?',
      [cluster],
    );
    if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
    return {
      region: row.region,
      epoch: Number(row.epoch),
      sync: Number(row.sync) === 1,
      state: row.state,
      holder: row.holder_gid,
      sequence: Number(row.sequence),
    };
  }
  const change = async (set: string, where: string, values: readonly (string | number)[]) =>
    (await accord.change(
      `UPDATE cluster_state SET ${set}, changed_at = UTC_TIMESTAMP(3) WHERE cluster = ? AND ${where}`,
      [cluster, ...values],
    )) === 1;

  const tell = async (
    region: string,
    status: RegionStatus,
    sql: Pick<SqlPool, 'change'> = accord,
  ): Promise<void> => {
    await sql.change(
      `INSERT INTO regions (cluster, region, status, priority, changed_at) VALUES (?, ?, ?, 0, UTC_TIMESTAMP(3)) AS told
         ON DUPLICATE KEY UPDATE status = told.status, changed_at = told.changed_at`,
      [cluster, region, status],
    );
  };

  return {
    read,

    /** State of one switch or rejoin, read in one statement: its decision never changes, and its end comes later. */
    standingOf: async (gid: Gid): Promise<Standing> => {
      const [row] = await accord.select<{
        readonly is_holder: string | number;
        readonly happened: string | number | null;
      }>(
        `SELECT COALESCE(holder_gid = ?, 0) AS is_holder,
                (SELECT happened FROM region_decisions WHERE gid = ?) AS happened
           FROM cluster_state WHERE cluster = ?`,
        [gid, gid, cluster],
      );
      if (!row) throw new Error(`The hub knows no cluster ${cluster}.`);
      return { isHolder: Number(row.is_holder) === 1, decision: decisionOf(row.happened) };
    },

    /**
     * @returns false, and for good: another one holds the row, region or epoch have changed, no person has allowed it
     *   to
     *   begin without a standby, its run has ended, or it was sealed. True also if it began before, or is decided.
     */
    begin: (move: Move, mayBeginAlone: boolean): Promise<boolean> =>
      deciding(accord, cluster, move.gid, async (sql, row, before) => {
        if (before) return before === 'happened';
        if (row.holder === move.gid) return true; // An earlier delivery of this switch has begun it.
        const mayBegin = !(await hasEnded(sql, move.gid));
        const won =
          mayBegin &&
          (await sql.change(
            `UPDATE cluster_state SET state = 'failing-over', holder_gid = ?, changed_at = UTC_TIMESTAMP(3)
               WHERE cluster = ? AND epoch = ? AND region = ? AND state <> 'failing-over' AND (sync = 1 OR ? = 1)`,
            [move.gid, cluster, move.epoch, move.from, mayBeginAlone ? 1 : 0],
          )) === 1;
        // A refusal is recorded: a late delivery must not take the row after the run has ended.
        if (!won) await keep(sql, cluster, move.gid, 'never', row.epoch);
        return won;
      }),

    /**
     * Gives the row back if this switch holds it and `from` is still the active region, in any epoch. If that region
     * was fenced meanwhile, it acknowledges alone now. Then the cluster is degraded, and its watch restores the
     * standby.
     */
    abort: async (gid: Gid, from: string): Promise<boolean> =>
      (await accord.change(
        `UPDATE cluster_state SET state = IF(sync = 1, 'steady', 'degraded'), holder_gid = NULL, changed_at = UTC_TIMESTAMP(3)
           WHERE cluster = ? AND holder_gid = ? AND region = ? AND state = 'failing-over'`,
        [cluster, gid, from],
      )) === 1,

    /** The active region acknowledges alone from now on, until a region stands by again. */
    actsAlone: async (gid: Gid): Promise<void> => {
      await change('sync = 0', 'holder_gid = ?', [gid]);
    },

    /** The decision of a switch, made once and for good. @returns false: it was sealed, or another switch has won. */
    advanceEpoch: (move: Move): Promise<boolean> => advanceEpoch(accord, cluster, move),

    /** Answers whether the switch has advanced the epoch. If not, it never will. */
    sealSwitch: (move: Move): Promise<boolean> => sealSwitch(accord, cluster, move),

    /** Answers whether the rejoin has begun. If not, it never will. */
    sealRejoin: (gid: Gid): Promise<boolean> => sealRejoin(accord, cluster, gid),

    /** Ends the switch, so others may begin. It changes no status of a region if the switch has ended before. */
    end: (gid: Gid, statuses: Readonly<Record<string, RegionStatus>>): Promise<void> =>
      deciding(accord, cluster, gid, async (sql, { holder }) => {
        if (holder !== gid) return;
        for (const [region, status] of Object.entries(statuses)) await tell(region, status, sql);
        await sql.change(
          `UPDATE cluster_state SET state = 'steady', holder_gid = NULL, changed_at = UTC_TIMESTAMP(3) WHERE cluster = ?`,
          [cluster],
        );
      }),

    /**
     * The decision of a rejoin: the region shall stand by, whatever its status was. Until it does, the active region
     * acknowledges alone. A repeated delivery changes nothing, even if the regions have moved since.
     *
     * @returns false, and for good: the region is the active one, a switch is under way, the epoch has changed, the run
     *   has
     *   ended, or it was sealed.
     */
    rejoin: ({ gid, region, epoch }: Rejoin): Promise<boolean> =>
      deciding(accord, cluster, gid, async (sql, row, before) => {
        if (before) return before === 'happened';
        const moved = row.epoch !== epoch || row.region === region || row.state === 'failing-over';
        if (moved || (await hasEnded(sql, gid))) {
          await keep(sql, cluster, gid, 'never', row.epoch);
          return false;
        }
        await sql.change(
          'UPDATE cluster_state SET sync = 0, changed_at = UTC_TIMESTAMP(3) WHERE cluster = ?',
          [cluster],
        );
        await tell(region, 'RECOVERING', sql);
        await keep(sql, cluster, gid, 'happened', epoch);
        return true;
      }),

    /**
     * Whether the row of its run has an ending. Later changes of the regions do not belong to this switch or rejoin.
     */
    hasEnded: (gid: Gid): Promise<boolean> => hasEnded(accord, gid),

    /**
     * Records that the active region will acknowledge alone. From now on only a person may allow a switch.
     * @returns `already`: recorded before in this epoch; `lost`: a switch is under way, or the regions have moved.
     */
    degrade: async (epoch: number): Promise<'won' | 'already' | 'lost'> => {
      const won = await change(`state = 'degraded', sync = 0`, `epoch = ? AND state = 'steady'`, [
        epoch,
      ]);
      if (won) return 'won';
      const row = await read();
      return row.state === 'degraded' && row.epoch === epoch ? 'already' : 'lost';
    },

    /** Records that the region stands by and has all acknowledged commits. @returns false: another epoch has begun. */
    standsBy: async (region: string, epoch: number): Promise<boolean> => {
      const stands = await change(
        `state = 'steady', sync = 1`,
        `epoch = ? AND state IN ('steady', 'degraded')`,
        [epoch],
      );
      if (!stands) return false;
      await tell(region, 'STANDBY');
      return true;
    },

    /** Marks events of the hub that went to the old region. @returns how many will be published again. */
    republish: (epoch: number): Promise<number> => {
      const { sql, values } = republishing('outbox', null, epoch);
      return accord.change(sql, values);
    },

    /** Time of the newest heartbeat that the active region acknowledged, in microseconds since 1970. */
    newestHeartbeat: async (): Promise<number> => {
      const [row] = await accord.select<{ readonly at: string | null }>(
        'SELECT CAST(acknowledged_us AS CHAR) AS at FROM cluster_heartbeats WHERE cluster = ?',
        [cluster],
      );
      return Number(row?.at ?? 0);
    },
  };
}

async function hasEnded(accord: Pick<SqlPool, 'select'>, gid: Gid): Promise<boolean> {
  const ended = await accord.select('SELECT gid FROM runs WHERE gid = ? AND ended_at IS NOT NULL', [
    gid,
  ]);
  return ended.length > 0;
}
