import {
  defaultWatchPolicy,
  type HealthLevel,
  type RegionService,
  type Vantage,
  type WatchPolicy,
} from '../../contracts/regions/watch';
import type { Database, SqlValue } from './database';

/** One region, as one vantage point of the watch has seen it lately. */
export interface RegionObservation {
  readonly region: string;
  readonly vantage: Vantage;
  readonly level: HealthLevel;
  readonly latencyMs: number | null;
  readonly lagMs: number | null;
  /** The last one, also where it is over. */
  readonly lastError: string | null;
  readonly seenAt: Date;
}

/** One service of a region, as the hub has seen it lately. */
export interface ServiceObservation {
  readonly region: string;
  readonly service: RegionService;
  readonly level: HealthLevel;
  readonly latencyMs: number | null;
  readonly errorPercent: number;
  readonly lagMs: number | null;
  /** The last one, also where it is over. */
  readonly lastError: string | null;
  readonly seenAt: Date;
}

/** A policy and its version, which grows with each change; 0: it was never changed. */
export interface SeenPolicy {
  readonly policy: WatchPolicy;
  readonly version: number;
}

/** Who changes a policy that was seen with this version; `approval`: of the second person, `null` where the glass is broken. */
export interface SeenChange {
  readonly by: string;
  readonly version: number;
  readonly approval: string | null;
}

/** An older observation does not count any more: the watch may have stopped. */
const freshSeconds = 15;

/** What the watch of this API's cluster sees, and what it may do about it. */
export function createWatchStore(database: Database, cluster: string) {
  return {
    observations: (): Promise<readonly RegionObservation[]> =>
      database.select<RegionObservation>(
        `SELECT region, vantage, level, latency_ms AS latencyMs, lag_ms AS lagMs, last_error AS lastError,
           seen_at AS seenAt
         FROM region_sights WHERE cluster = ? AND seen_at > UTC_TIMESTAMP(3) - INTERVAL ${freshSeconds} SECOND
         ORDER BY region, vantage`,
        [cluster],
      ),

    services: (): Promise<readonly ServiceObservation[]> =>
      database.select<ServiceObservation>(
        `SELECT region, service, level, latency_ms AS latencyMs, error_percent AS errorPercent, lag_ms AS lagMs,
           last_error AS lastError, seen_at AS seenAt
         FROM service_health WHERE cluster = ? AND seen_at > UTC_TIMESTAMP(3) - INTERVAL ${freshSeconds} SECOND
         ORDER BY region, service`,
        [cluster],
      ),

    async policy(): Promise<SeenPolicy> {
      const [row] = await database.select<PolicyRow>(
        `SELECT version, auto_failover AS autoFailover, failure_threshold AS failureThreshold, unhealthy_ms AS unhealthyMs,
           max_attempts AS maxAttempts, priorities, data_sync_seconds AS dataSyncTimeoutSeconds
         FROM watch_policies WHERE cluster = ?`,
        [cluster],
      );
      if (!row) return { policy: defaultWatchPolicy, version: 0 };
      const { version, ...policy } = row;
      return { policy: { ...policy, autoFailover: row.autoFailover === 1 }, version };
    },

    /** Safe to repeat: the whole of it is replaced. */
    async changePolicy(policy: WatchPolicy, by: string): Promise<void> {
      await database.change(
        `INSERT INTO watch_policies (cluster, auto_failover, failure_threshold, unhealthy_ms, max_attempts, priorities,
           data_sync_seconds, changed_at, changed_by)
         VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), ?) AS told
         ON DUPLICATE KEY UPDATE version = watch_policies.version + 1, approval = NULL, auto_failover = told.auto_failover, failure_threshold = told.failure_threshold,
           unhealthy_ms = told.unhealthy_ms, max_attempts = told.max_attempts, priorities = told.priorities,
           data_sync_seconds = told.data_sync_seconds, changed_at = told.changed_at, changed_by = told.changed_by`,
        [cluster, ...valuesOf(policy), by],
      );
    },

    /**
     * Replaces the policy of that version. Safe to repeat under one approval, also at the same time.
     * @returns false: it is another one by now.
     */
    async changeSeenPolicy(policy: WatchPolicy, seen: SeenChange): Promise<boolean> {
      const { by, version, approval } = seen;
      // What is compared must be there: the row of a cluster that has none says the same as none.
      await database.change(
        `INSERT IGNORE INTO watch_policies (cluster, auto_failover, failure_threshold, unhealthy_ms, max_attempts,
           priorities, data_sync_seconds, changed_at, changed_by, version)
         VALUES (?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), ?, 0)`,
        [cluster, ...valuesOf(defaultWatchPolicy), by],
      );
      const changed = await database.change(
        `UPDATE watch_policies SET auto_failover = ?, failure_threshold = ?, unhealthy_ms = ?, max_attempts = ?,
           priorities = ?, data_sync_seconds = ?, changed_at = UTC_TIMESTAMP(3), changed_by = ?, version = version + 1,
           approval = ?
         WHERE cluster = ? AND version = ?`,
        [...valuesOf(policy), by, approval, cluster, version],
      );
      if (changed === 1) return true;
      const [row] = await database.select<{ readonly approval: string | null }>(
        'SELECT approval FROM watch_policies WHERE cluster = ?',
        [cluster],
      );
      return approval !== null && row?.approval === approval;
    },
  };
}
export type WatchStore = ReturnType<typeof createWatchStore>;

type PolicyRow = Omit<WatchPolicy, 'autoFailover'> & {
  readonly autoFailover: 0 | 1;
  readonly version: number;
};

const valuesOf = (policy: WatchPolicy): readonly SqlValue[] => [
  ...[policy.autoFailover, policy.failureThreshold, policy.unhealthyMs, policy.maxAttempts],
  ...[JSON.stringify(policy.priorities), policy.dataSyncTimeoutSeconds],
];
