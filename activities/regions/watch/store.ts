/** Rows of the hub that a watch reads and writes: policy, observations, and events. */
import { operatorFlows, type Gid } from '../../../contracts/engine/ids';
import {
  defaultWatchPolicy,
  type HealthLevel,
  type RegionService,
  type Vantage,
  type WatchPolicy,
} from '../../../contracts/regions/watch';
import { errnoOf, type SqlPool } from '../../fence/sql-transaction';
import type { ServiceHealth } from './service-probes';
import { operations } from '../switch/requests';
import type { Standing } from './decision';

/** Observation of one region from one vantage point. */
export interface SeenRegion {
  readonly region: string;
  readonly vantage: Vantage;
  readonly level: HealthLevel;
  readonly latencyMs: number | null;
  readonly lagMs: number | null;
  /** `null`: no error now; the row keeps the last one. */
  readonly error: string | null;
}

/** Health of one service of a region, as the hub observes it. */
export interface SeenService extends ServiceHealth {
  readonly region: string;
  readonly service: RegionService;
}

export interface WatchEvent {
  /** Id of the event: the same in every delivery. */
  readonly id: string;
  readonly kind: 'page' | 'degrade' | 'ask' | 'failover' | 'resync';
  readonly code: string;
  readonly detail: string;
}

/** The part of the hub's row that the watch observes. */
export type Placed = Pick<
  Standing,
  'epoch' | 'region' | 'sync' | 'state' | 'sequence' | 'regions' | 'policy'
>;

const duplicate = 1062;

export function createWatchStore(accord: Pick<SqlPool, 'select' | 'change'>, cluster: string) {
  /** @returns undefined: the hub does not know the cluster, or it has one region. */
  async function placed(): Promise<Placed | undefined> {
    const [row] = await accord.select<PlacedRow>(
      `SELECT c.epoch, c.region, c.sync, c.state, c.sequence, p.auto_failover AS autoFailover,
         p.failure_threshold AS failureThreshold, p.unhealthy_ms AS unhealthyMs, p.max_attempts AS maxAttempts,
         p.priorities, p.data_sync_seconds AS dataSyncTimeoutSeconds
       FROM cluster_state c LEFT JOIN watch_policies p ON p.cluster = c.cluster WHERE c.cluster = ?`,
      [cluster],
    );
    const regions = await accord.select<Standing['regions'][number]>(
      'SELECT region, status FROM regions WHERE cluster = ? ORDER BY priority, region',
      [cluster],
    );
    if (!row || regions.length === 0) return undefined;
    const { epoch, region, state, sequence } = row;
    return {
      ...{ region, state, regions },
      ...{ epoch: Number(epoch), sequence: Number(sequence), sync: Number(row.sync) === 1 },
      policy: policyOf(row),
    };
  }

  return {
    placed,

    /** As `placed`, with the recent history. */
    async standing(): Promise<Standing | undefined> {
      const now = await placed();
      if (!now) return undefined;
      // Read after the row: a switch that is accepted in between has taken the number of the row.
      const [history] = await accord.select<HistoryRow>(
        `SELECT
           (SELECT gid FROM runs WHERE tenant = ? AND flow IN (?)
              AND state NOT IN ('completed', 'compensated') LIMIT 1) AS openMove,
           (SELECT CAST(TIMESTAMPDIFF(MICROSECOND, MAX(ended_at), UTC_TIMESTAMP(3)) DIV 1000 AS CHAR) FROM runs
              WHERE tenant = ? AND flow = 'failover' AND state = 'completed') AS sinceFailoverMs,
           (SELECT COUNT(*) FROM runs WHERE tenant = ? AND operation = ?
              AND accepted_at > UTC_TIMESTAMP(3) - INTERVAL 1 HOUR) AS attempts,
           (SELECT COUNT(*) FROM runs WHERE tenant = ? AND operation = ?
              AND accepted_at > UTC_TIMESTAMP(3) - INTERVAL 1 HOUR) AS resyncs`,
        [cluster, operatorFlows, cluster, cluster, operations.failover, cluster, operations.resync],
      );
      const { openMove = null, sinceFailoverMs = null, attempts = 0, resyncs = 0 } = history ?? {};
      return {
        ...now,
        openMove,
        sinceFailoverMs: sinceFailoverMs === null ? null : Number(sinceFailoverMs),
        attempts: Number(attempts),
        resyncs: Number(resyncs),
      };
    },

    async tell({ region, vantage, level, latencyMs, lagMs, error }: SeenRegion): Promise<void> {
      await accord.change(
        `INSERT INTO region_sights (cluster, region, vantage, level, latency_ms, lag_ms, last_error, seen_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3)) AS told
         ON DUPLICATE KEY UPDATE level = told.level, latency_ms = COALESCE(told.latency_ms, region_sights.latency_ms),
           lag_ms = told.lag_ms, last_error = COALESCE(told.last_error, region_sights.last_error),
           seen_at = told.seen_at`,
        [cluster, region, vantage, level, latencyMs, lagMs, error?.slice(0, 255) ?? null],
      );
    },

    async tellService(seen: SeenService): Promise<void> {
      const { region, service, level, latencyMs, errorPercent, lagMs, error } = seen;
      await accord.change(
        `INSERT INTO service_health (cluster, region, service, level, latency_ms, error_percent, lag_ms, last_error,
           seen_at)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3)) AS told
         ON DUPLICATE KEY UPDATE level = told.level, latency_ms = COALESCE(told.latency_ms, service_health.latency_ms),
           error_percent = told.error_percent, lag_ms = told.lag_ms,
           last_error = COALESCE(told.last_error, service_health.last_error), seen_at = told.seen_at`,
        [
          ...[cluster, region, service, level],
          ...[latencyMs, errorPercent, lagMs, error?.slice(0, 255) ?? null],
        ],
      );
    },

    /** @returns false: the event is stored already. */
    async note({ id, kind, code, detail }: WatchEvent): Promise<boolean> {
      try {
        await accord.change(
          'INSERT INTO watch_events (event_id, cluster, at, kind, code, detail) VALUES (?, ?, UTC_TIMESTAMP(3), ?, ?, ?)',
          [id, cluster, kind, code, detail.slice(0, 500)],
        );
        return true;
      } catch (error) {
        if (errnoOf(error) === duplicate) return false;
        throw error;
      }
    },
  };
}
export type WatchStore = ReturnType<typeof createWatchStore>;

interface PlacedRow {
  readonly epoch: number | string;
  readonly region: string;
  readonly sync: number | string;
  readonly state: Standing['state'];
  readonly sequence: number | string;
  /** `null`, like all columns after it: the cluster has no policy of its own. */
  readonly autoFailover: number | null;
  readonly failureThreshold: number | null;
  readonly unhealthyMs: number | null;
  readonly maxAttempts: number | null;
  readonly priorities: readonly string[] | null;
  readonly dataSyncTimeoutSeconds: number | null;
}

interface HistoryRow {
  readonly openMove: Gid | null;
  readonly sinceFailoverMs: string | null;
  readonly attempts: number | string;
  readonly resyncs: number | string;
}

/** The policy of a row. It was validated before it was written. */
function policyOf(row: PlacedRow): WatchPolicy {
  const by = defaultWatchPolicy;
  return {
    autoFailover: row.autoFailover === null ? by.autoFailover : row.autoFailover === 1,
    failureThreshold: row.failureThreshold ?? by.failureThreshold,
    unhealthyMs: row.unhealthyMs ?? by.unhealthyMs,
    maxAttempts: row.maxAttempts ?? by.maxAttempts,
    priorities: row.priorities ?? by.priorities,
    dataSyncTimeoutSeconds: row.dataSyncTimeoutSeconds ?? by.dataSyncTimeoutSeconds,
  };
}
