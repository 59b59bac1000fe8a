import type { Redis } from 'ioredis';

import { withinDeadline } from './http/deadline';
import type { Limits } from './http/limits';
import type { BrokenPremise } from '../runtime/premises';
import type { Now } from '../runtime/server-clock';
import { premiseSentence } from '../runtime/premises';
import type { PremiseWatch } from './premise-watch';
import type { Starter } from './transactions/starter';
import type { HeartbeatStore } from './stores/heartbeat-store';
import type { ClusterStore } from './stores/cluster-store';
import { regionHealthOf } from './regions/region-health';
import type { RunsStore } from './stores/runs-store';
import type { WatchStore } from './stores/watch-store';
import type { Temporal } from './transactions/temporal';

/** `degraded`: takes starts, but something is not as it should be. `unhealthy`: cannot take starts. */
export type Health = 'healthy' | 'degraded' | 'unhealthy';

export interface Check {
  readonly name: string;
  readonly status: Health;
  readonly latencyMs: number;
  readonly lastError: string | null;
}

export interface Readiness {
  readonly status: Health;
  readonly checks: readonly Check[];
}

/** A probe that asks more often gets the last answer again: probes must not become load. */
const cacheMs = 2_000;
const checkMs = 500;

/** One asks for all who come meanwhile, and for `ms` since it began. */
function shared<Answer>(ask: () => Promise<Answer>, ms: number): () => Promise<Answer> {
  let last: { readonly askedAt: number; readonly answer: Promise<Answer> } | undefined;
  let isAsking = false;
  return () => {
    if (last && (isAsking || performance.now() - last.askedAt < ms)) return last.answer;
    isAsking = true;
    const answer = ask().finally(() => (isAsking = false));
    last = { askedAt: performance.now(), answer };
    return answer;
  };
}

/** How far the shutdown has come; said by `main`, which hears the signals. */
export interface Lifecycle {
  isReady(): boolean;
  isStopping(): boolean;
}

interface HealthDependencies {
  readonly heartbeat: HeartbeatStore;
  readonly temporal: Pick<Temporal, 'check'>;
  readonly redis: Redis;
  readonly limits: Pick<Limits, 'isAlone'>;
  readonly starter: Pick<Starter, 'isBacklogFull'>;
  readonly runs: Pick<RunsStore, 'attention'>;
  readonly cluster: Pick<ClusterStore, 'read'>;
  readonly watch: Pick<WatchStore, 'observations'>;
  readonly lifecycle: Lifecycle;
  readonly premises: Pick<PremiseWatch, 'demand'>;
  readonly brokenRedis: () => readonly BrokenPremise[];
  readonly now: Now;
}

/**
 * Readiness and health. MySQL decides: without it no start can be accepted. Without Temporal starts are accepted until
 * the backlog is full, without Redis each process limits by itself.
 */
export function createHealth(dependencies: HealthDependencies) {
  const { heartbeat, temporal, redis, limits, starter, runs, cluster, watch, lifecycle } =
    dependencies;
  const { premises, brokenRedis, now } = dependencies;

  const askAll = (): Promise<readonly Check[]> =>
    Promise.all([
      checkOf('mysql', 'unhealthy', () => heartbeat.beat()), // A ping stays green while commits hang.
      checkOf('temporal', 'degraded', () => temporal.check()),
      checkOf('redis', 'degraded', async () => {
        await redis.set('accord:heartbeat', '1', 'PX', 60_000);
        const [broken] = brokenRedis();
        if (broken) throw new Error(premiseSentence(broken));
        if (limits.isAlone()) throw new Error('Limits are counted by this process alone.');
      }),
      checkOf('premises', 'unhealthy', () => premises.demand()),
      checkOf('backlog', 'unhealthy', () =>
        starter.isBacklogFull()
          ? Promise.reject(new Error('Too many accepted starts wait for Temporal.'))
          : Promise.resolve(),
      ),
    ]);

  const checks = shared(askAll, cacheMs);

  const readiness = async (): Promise<Readiness> => {
    const answers = await checks();
    return { status: lifecycle.isReady() ? worstOf(answers) : 'unhealthy', checks: answers };
  };

  const attentionNow = shared(() => runs.attention().catch(() => null), cacheMs);

  /** `undefined`: the cluster is in one place. `null`: the state of its regions is unknown. */
  const regions = shared(() => regionsNow().catch(() => null), 0);

  async function regionsNow() {
    const view = await cluster.read();
    if (!view || view.regions.length === 0) return undefined;
    const { region: active, epoch, state, sync } = view;
    const observations = await watch.observations();
    const levels = view.regions.map(({ region }) => ({
      region,
      ...regionHealthOf(observations, region, region === active && !sync),
    }));
    return { active, epoch, state, sync, levels };
  }

  return {
    readiness,
    /** Readiness, what waits for people, and whether a standby has what is acknowledged. */
    async health() {
      const [{ status, checks: answers }, attention, placed] = await Promise.all([
        readiness(),
        attentionNow(),
        regions(),
      ]);
      const needsPeople =
        attention === null || // Unknown is not healthy.
        placed === null ||
        attention.stuck > 0 ||
        placed?.sync === false ||
        placed?.levels.some(({ level }) => level !== 'HEALTHY') === true; // Not observed: unknown, too.
      return {
        status: status === 'healthy' && needsPeople ? ('degraded' as const) : status,
        parked: attention?.parked ?? null,
        stuck: attention?.stuck ?? null,
        unbooked: attention?.unbooked ?? null,
        timestamp: new Date(now()).toISOString(),
        checks: answers,
        ...(placed && { regions: placed }),
      };
    },
  };
}
export type HealthChecks = ReturnType<typeof createHealth>;

async function checkOf(
  name: string,
  whenFailed: Health,
  ask: () => Promise<unknown>,
): Promise<Check> {
  const began = performance.now();
  const done = (status: Health, lastError: string | null): Check => ({
    name,
    status,
    latencyMs: Math.round(performance.now() - began),
    lastError,
  });
  try {
    await withinDeadline(checkMs, ask, () => new Error(`No answer within ${checkMs} ms.`));
    return done('healthy', null);
  } catch (error) {
    return done(whenFailed, error instanceof Error ? error.message : String(error));
  }
}

function worstOf(checks: readonly Check[]): Health {
  if (checks.some(({ status }) => status === 'unhealthy')) return 'unhealthy';
  return checks.some(({ status }) => status === 'degraded') ? 'degraded' : 'healthy';
}
