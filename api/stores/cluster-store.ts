import { operatorFlows, type Gid, type Tenant } from '../../contracts/engine/ids';
import type { RegionStatus } from '../../contracts/regions/regions';
import { isEnding, runStates } from '../../contracts/engine/transaction';
import type { Database, Statements } from './database';

export interface RegionRow {
  readonly region: string;
  readonly status: RegionStatus;
  readonly changedAt: Date;
}

/** A cluster as the hub knows it. */
export interface ClusterView {
  /** The active region. */
  readonly region: string;
  readonly epoch: number;
  /** A commit is acknowledged when a standby has it. */
  readonly sync: boolean;
  readonly state: 'steady' | 'failing-over' | 'degraded';
  /** Number of the last switch or rejoin that was accepted. */
  readonly sequence: number;
  /** Who moves the regions: the holder of the row, or who was accepted and has not ended. */
  readonly holder: Gid | null;
  /** When the newest heartbeat was written that the active region has acknowledged. */
  readonly acknowledgedAt: Date | null;
  /** First targets first; none where the cluster is in one place. */
  readonly regions: readonly RegionRow[];
}

/** The cluster that this API serves; only a failover worker moves it. */
export function createClusterStore(database: Database, cluster: string) {
  /** @returns undefined: the hub does not know it. */
  async function read(): Promise<ClusterView | undefined> {
    // The row before the statuses: a switch that is accepted in between has taken the row's number.
    const [row] = await database.select<ClusterRow>(
      `SELECT c.region, c.epoch, c.sync, c.state, c.sequence, c.holder_gid AS holder,
         h.acknowledged_us AS acknowledgedUs
       FROM cluster_state c LEFT JOIN cluster_heartbeats h ON h.cluster = c.cluster WHERE c.cluster = ?`,
      [cluster],
    );
    if (!row) return undefined;
    const regions = await database.select<RegionRow>(
      'SELECT region, status, changed_at AS changedAt FROM regions WHERE cluster = ? ORDER BY priority, region',
      [cluster],
    );
    const holder = row.holder ?? (await openMoveOf(database, cluster)) ?? null;
    const { sync, acknowledgedUs, ...same } = row;
    const acknowledgedAt = acknowledgedUs === null ? null : new Date(acknowledgedUs / 1_000);
    return { ...same, holder, sync: sync === 1, acknowledgedAt, regions };
  }
  return {
    read,
    /** Reads the cluster, as `read` does; undefined also where this API serves another cluster. */
    find: (name: Tenant): Promise<ClusterView | undefined> =>
      name === cluster ? read() : Promise.resolve(undefined),
  };
}
export type ClusterStore = ReturnType<typeof createClusterStore>;

/** Every cluster of the hub, also those that another API serves. */
export async function clustersOf(sql: Pick<Statements, 'select'>): Promise<readonly string[]> {
  const rows = await sql.select<{ readonly cluster: string }>('SELECT cluster FROM cluster_state');
  return rows.map(({ cluster }) => cluster);
}

const openStates = runStates.filter((state) => !isEnding(state));

/** The switch or rejoin that was accepted and has not ended; there is one at most. */
export async function openMoveOf(
  sql: Pick<Statements, 'select'>,
  cluster: string,
): Promise<Gid | undefined> {
  const [open] = await sql.select<{ readonly gid: Gid }>(
    'SELECT gid FROM runs WHERE tenant = ? AND state IN (?) AND flow IN (?) LIMIT 1',
    [cluster, openStates, operatorFlows],
  );
  return open?.gid;
}

type ClusterRow = Pick<ClusterView, 'region' | 'epoch' | 'state' | 'sequence' | 'holder'> & {
  readonly sync: 0 | 1;
  readonly acknowledgedUs: number | null;
};
