/**
 * The hub's row of a cluster: which region is active, in which epoch, and who moves it. Every change of it is one
 * statement that compares and sets, so two of them can never both be right.
 */
import type { Gid } from '../../contracts/engine/ids';
import type { RegionStatus } from '../../contracts/participants/regions';
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

/** What the hub says of one switch or rejoin. */
export interface Standing {
  /** It holds the row: begun, and not ended. */
  readonly isHolder: boolean;
  readonly decision: Decision;
}

export type HubStore = ReturnType<typeof createHubStore>;

/** @param accord with the right to move the row: a failover worker's, nobody else's. */
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
     * @returns false, and for good: another one holds the row, the region or epoch is another one, nobody has allowed to
     *   begin alone, its run has ended, or it was sealed. True also where it has begun before, and where it is decided.
     */
    begin: (move: Move, mayBeginAlone: boolean): Promise<boolean> =>
      deciding(accord, cluster, move.gid, async (sql, row, before) => {
        if (before) return before === 'happened';
        if (row.holder === move.gid) return true; // An earlier delivery of this one.
        const mayBegin = !(await hasEnded(sql, move.gid));
        const won =
          mayBegin &&
          (await sql.change(
            `UPDATE cluster_state SET state = 'failing-over', holder_gid = ?, changed_at = UTC_TIMESTAMP(3)
               WHERE cluster = ? AND epoch = ? AND region = ? AND state <> 'failing-over' AND (sync = 1 OR ? = 1)`,
            [move.gid, cluster, move.epoch, move.from, mayBeginAlone ? 1 : 0],
          )) === 1;
        // A refusal stands: a late delivery must not take the row when the run has long ended.
        if (!won) await keep(sql, cluster, move.gid, 'never', row.epoch);
        return won;
      }),

    /**
     * Gives the row back where this one holds it and `from` is the active region still, in whatever epoch is burnt. Where it
     * was fenced meanwhile it acknowledges alone now: then the cluster is degraded, and its watch sees to that.
     */
    abort: async (gid: Gid, from: string): Promise<boolean> =>
      (await accord.change(
        `UPDATE cluster_state SET state = IF(sync = 1, 'steady', 'degraded'), holder_gid = NULL, changed_at = UTC_TIMESTAMP(3)
           WHERE cluster = ? AND holder_gid = ? AND region = ? AND state = 'failing-over'`,
        [cluster, gid, from],
      )) === 1,

    /** Whatever is active acknowledges alone from now on, until a region stands by again. */
    actsAlone: async (gid: Gid): Promise<void> => {
      await change('sync = 0', 'holder_gid = ?', [gid]);
    },

    /** The decision of a switch, once and for good. @returns false: it was sealed, or somebody else has won. */
    burn: (move: Move): Promise<boolean> => advanceEpoch(accord, cluster, move),

    /** Has it burnt its epoch? If not, it never will. */
    sealSwitch: (move: Move): Promise<boolean> => sealSwitch(accord, cluster, move),

    /** Has it begun? If not, it never will. */
    sealRejoin: (gid: Gid): Promise<boolean> => sealRejoin(accord, cluster, gid),

    /** The switch is over: others may begin. Says nothing of regions where it has ended before. */
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
     * It is made a standby, whatever it was: until it is one, the active one acknowledges alone. The decision of a rejoin:
     * delivered again it changes nothing, also where others have moved the regions since.
     *
     * @returns false, and for good: it is the active one, somebody switches regions, the cluster is in another epoch, its
     *   run has ended, or it was sealed.
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

    /** Its run's row has its ending: what has become of the regions since is not of this one. */
    hasEnded: (gid: Gid): Promise<boolean> => hasEnded(accord, gid),

    /**
     * The active region is about to acknowledge alone: from now on a switch wants a person's word.
     * @returns `already`: somebody has decided so in this epoch; `lost`: somebody moves the regions, or has moved them.
     */
    degrade: async (epoch: number): Promise<'won' | 'already' | 'lost'> => {
      const won = await change(`state = 'degraded', sync = 0`, `epoch = ? AND state = 'steady'`, [
        epoch,
      ]);
      if (won) return 'won';
      const row = await read();
      return row.state === 'degraded' && row.epoch === epoch ? 'already' : 'lost';
    },

    /** It stands by, and what the active one acknowledges it has. @returns false: another epoch has begun. */
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

    /** Events of the hub that went to the region which is left. @returns how many will be published again. */
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
