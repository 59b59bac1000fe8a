/** Answers of each service of a region to the hub. They are shown to people; no decision depends on them. */

import { watchTimes, type HealthLevel, type RegionService } from '../../../contracts/regions/watch';
import { createCheckingKafka } from '../../../runtime/kafka/client';
import { withRedis } from '../../../runtime/redis';
import type { RegionAccess } from '../switch/activities';
import { alongHub, heartbeat, lookAtStandby, reasonOf } from './probe';

/** Result of one probe of one service. */
export interface ServiceLook {
  /** The service does its work: it takes writes in the active region, and follows in a standby. */
  readonly isWell: boolean;
  /** Latency; `null`: it did not answer. */
  readonly ms: number | null;
  /** Lag behind its source; `null`: it has no source, or the lag is unknown. */
  readonly lagMs: number | null;
  readonly error: string | null;
}

/** Summary of the probes of the last minute. */
export interface ServiceHealth {
  readonly level: HealthLevel;
  /** Latency of the last probe that was answered. */
  readonly latencyMs: number | null;
  /** Failed probes among the kept ones, in percent. */
  readonly errorPercent: number;
  readonly lagMs: number | null;
  readonly error: string | null;
}

/** @param looks probe results, the newest last; at least one. */
export function healthOf(looks: readonly ServiceLook[], failureThreshold: number): ServiceHealth {
  const last = looks.at(-1);
  const failed = looks.filter(({ isWell }) => !isWell).length;
  const misses = looks.length - 1 - looks.findLastIndex(({ isWell }) => isWell);
  return {
    level: misses >= failureThreshold ? 'UNHEALTHY' : isQuick(last) ? 'HEALTHY' : 'DEGRADED',
    latencyMs: looks.findLast(({ ms }) => ms !== null)?.ms ?? null,
    errorPercent: Math.round((failed * 100) / Math.max(1, looks.length)),
    lagMs: last?.lagMs ?? null,
    error: last?.error ?? null,
  };
}

const isQuick = (look: ServiceLook | undefined): boolean =>
  look?.isWell === true &&
  (look.ms ?? 0) <= watchTimes.slow &&
  (look.lagMs ?? 0) < watchTimes.lagging;

export interface LookedAt {
  readonly access: RegionAccess;
  readonly isActive: boolean;
  /** Address for the user that writes heartbeats. */
  readonly watchUrl: string;
  /** Clock of the hub. The age of a standby's newest write is measured with it. */
  readonly now: () => number;
}

/** Probes each service once, all at the same time. Never rejects; takes little longer than `watchTimes.probeWithin`. */
export async function lookAtServices(
  region: LookedAt,
): Promise<Readonly<Record<RegionService, ServiceLook>>> {
  const [mysql, redis, kafka] = await Promise.all([
    lookAtMysql(region),
    lookAtRedis(region),
    lookAtKafka(region),
  ]);
  return { mysql, redis, kafka };
}

async function lookAtMysql({ access, isActive, watchUrl, now }: LookedAt): Promise<ServiceLook> {
  const withinMs = watchTimes.probeWithin;
  if (isActive) {
    const { writes, ms, error } = await heartbeat(alongHub(watchUrl, access), 'services', withinMs);
    return { isWell: writes, ms: writes ? ms : null, lagMs: null, error };
  }
  const database = new URL(watchUrl).pathname.slice(1);
  const { reads, follows, ...look } = await lookAtStandby(access.mysqlUrl, database, {
    withinMs,
    now,
  });
  return { ...look, isWell: reads && follows, ms: reads ? look.ms : null };
}

function lookAtRedis({ access, isActive }: LookedAt): Promise<ServiceLook> {
  return timed((within) =>
    withRedis(access.redisUrl, { connectMs: within, commandMs: within }, async (redis) =>
      redisLook(await redis.info('replication'), isActive),
    ),
  );
}

/** @param info lines of `name:value`. */
export function redisLook(info: string, isActive: boolean): Pick<ServiceLook, 'lagMs' | 'error'> {
  const valueOf = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1];
  const leads = valueOf('role') === 'master';
  if (isActive) return { lagMs: null, error: leads ? null : 'It follows another one.' };
  if (leads) return { lagMs: null, error: 'It follows nobody.' };
  const isLinked = valueOf('master_link_status') === 'up';
  // Its primary sends something each second, at least a ping.
  const silentSeconds = Number(valueOf('master_last_io_seconds_ago') ?? -1);
  return {
    lagMs: isLinked && silentSeconds >= 0 ? Math.max(0, silentSeconds - 1) * 1_000 : null,
    error: isLinked ? null : 'Its link to the active region is down.',
  };
}

function lookAtKafka({ access }: LookedAt): Promise<ServiceLook> {
  return timed(async (within) => {
    const admin = createCheckingKafka(access.brokers, {
      ...{ clientId: 'accord-watch', connectMs: within, requestMs: within, retry: { retries: 0 } },
    }).admin();
    try {
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      const error = brokers.length > 0 ? null : 'It knows no broker.';
      return { lagMs: null, error };
    } finally {
      admin.disconnect().catch(() => undefined); // No caller waits for it.
    }
  });
}

async function timed(
  look: (withinMs: number) => Promise<Pick<ServiceLook, 'lagMs' | 'error'>>,
): Promise<ServiceLook> {
  const began = performance.now();
  try {
    const { lagMs, error } = await look(watchTimes.probeWithin);
    return { isWell: error === null, ms: Math.round(performance.now() - began), lagMs, error };
  } catch (error) {
    return { isWell: false, ms: null, lagMs: null, error: reasonOf(error) };
  }
}
