/**
 * The hub's row of a cluster: which region is active, in which epoch, and who moves it. Every change of it is one
 * statement that compares and sets, so two of them can never both be right.
 */
import type { Gid } from '../../contracts/ids';
import type { RegionStatus } from '../../contracts/regions';
import type { SqlPool } from '../sql-transaction';
import { republishing } from './republishing';

export interface HubRow {
  readonly region: string;
  readonly epoch: number;
  /** A commit is acknowledged when a standby has it. */
  readonly sync: boolean;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  readonly holder: Gid | null;
  readonly sequence: number;
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

  const tell = async (region: string, status: RegionStatus): Promise<void> => {
    await accord.change(
      `INSERT INTO regions (cluster, region, status, priority, changed_at) VALUES (?, ?, ?, 0, UTC_TIMESTAMP(3)) AS told
         ON DUPLICATE KEY UPDATE status = told.status, changed_at = told.changed_at`,
      [cluster, region, status],
    );
  };

  return {
    read,

    /** @returns false: another one holds the row, the epoch is another one, or nobody has allowed to begin alone. */
    begin: async (gid: Gid, epoch: number, mayBeginAlone: boolean): Promise<boolean> => {
      const alone = mayBeginAlone ? 1 : 0;
      const won = await accord.change(
        `UPDATE cluster_state SET state = 'failing-over', holder_gid = ?, changed_at = UTC_TIMESTAMP(3)
           WHERE cluster = ? AND epoch = ? AND state <> 'failing-over' AND (sync = 1 OR ? = 1)`,
        [gid, cluster, epoch, alone],
      );
      if (won === 1) return true;
      const row = await read();
      return row.holder === gid && row.state === 'failing-over'; // An earlier delivery of this one.
    },

    /**
     * Gives the row back where this one holds it: `from` is the active region, as it was, in whatever epoch is burnt. Where
     * it was fenced meanwhile it acknowledges alone now: then the cluster is degraded, and its watch sees to that.
     */
    abort: async (gid: Gid, from: string): Promise<boolean> =>
      (await accord.change(
        `UPDATE cluster_state SET state = IF(sync = 1, 'steady', 'degraded'), holder_gid = NULL, region = ?, changed_at = UTC_TIMESTAMP(3)
           WHERE cluster = ? AND holder_gid = ? AND state = 'failing-over'`,
        [from, cluster, gid],
      )) === 1,

    /** Whatever is active acknowledges alone from now on, until a region stands by again. */
    actsAlone: async (gid: Gid): Promise<void> => {
      await change('sync = 0', 'holder_gid = ?', [gid]);
    },

    /** @returns false: somebody else has won. */
    burn: async (gid: Gid, epoch: number, to: string): Promise<boolean> => {
      const won = await accord.change(
        `UPDATE cluster_state SET epoch = ?, region = ?, sync = 0, changed_at = UTC_TIMESTAMP(3)
           WHERE cluster = ? AND epoch = ? AND holder_gid = ?`,
        [epoch + 1, to, cluster, epoch, gid],
      );
      if (won === 1) return true;
      const row = await read();
      return row.holder === gid && row.epoch === epoch + 1;
    },

    /** The switch is over: others may begin. It was numbered when it was accepted. */
    end: async (gid: Gid, statuses: Readonly<Record<string, RegionStatus>>): Promise<void> => {
      for (const [region, status] of Object.entries(statuses)) await tell(region, status);
      await change(`state = 'steady', holder_gid = NULL`, `holder_gid = ?`, [gid]);
    },

    /**
     * It is made a standby, whatever it was: until it is one, the active one acknowledges alone.
     * @param gid of the rejoin: a late attempt of one that has ended begins nothing.
     * @returns false: that, or it is the active one, somebody switches regions, or the cluster is in another epoch.
     */
    rejoin: async (gid: Gid, region: string, epoch: number): Promise<boolean> => {
      const begun = await change(
        'sync = 0',
        `epoch = ? AND region <> ? AND state <> 'failing-over'
           AND NOT EXISTS (SELECT 1 FROM runs WHERE gid = ? AND ended_at IS NOT NULL)`,
        [epoch, region, gid],
      );
      if (begun) await tell(region, 'RECOVERING');
      return begun;
    },

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

    /** Of the newest heartbeat that the active region has acknowledged: microseconds since 1970. */
    newestHeartbeat: async (): Promise<number> => {
      const [row] = await accord.select<{ readonly at: string | null }>(
        'SELECT CAST(acknowledged_us AS CHAR) AS at FROM cluster_heartbeats WHERE cluster = ?',
        [cluster],
      );
      return Number(row?.at ?? 0);
    },
  };
}
