import underPressure from '@fastify/under-pressure';
import type { FastifyRequest } from 'fastify';
import { getHeapStatistics } from 'node:v8';

import type { Authentication, Principal } from './authentication';
import { overloaded, Problem } from './errors';
import type { Lifecycle } from '../health';
import { idempotencyKeyOf } from './idempotency';
import { createProbeGuard, type createAddressGuard, type LimitClass, type Limits } from './limits';
import { jsonMedia, preferredOf } from './media';
import type { Metrics } from './metrics';
import { limitClassOf, type Api, type RouteRules } from './route-rules';
import type { Starts } from '../transactions/starts';

/** Above this share of the heap starts and lists are shed. */
const heapShareMax = 0.85;

interface Guards {
  readonly authentication: Authentication;
  readonly addresses: ReturnType<typeof createAddressGuard>;
  readonly limits: Limits;
  readonly starts: Pick<Starts, 'inHand'>;
  readonly startsInHandMax: number;
  readonly loopDelayMaxMs: number;
  readonly lifecycle: Lifecycle;
  readonly metrics: Metrics;
}

/**
 * What stands before every handler, in this order: overload, credential, realm, scope, rate, key. A route says by its rules
 * what applies to it; one without rules (unknown, wrong method) is answered as it is.
 */
export async function guardRoutes(api: Api, guards: Guards): Promise<void> {
  await shedUnderPressure(api, guards);
  const probes = createProbeGuard();
  api.addHook('onRequest', async (request, reply) => {
    const rules = request.routeOptions.config.rules;
    if (!rules) return;
    acceptMedia(request, rules);
    if (rules.kind === 'probe' && !rules.isFree) probes.check(request.ip);
    if (rules.kind === 'start') refuseStart(guards);
    if (rules.scope !== null) {
      request.principal = await authenticate(request, guards);
      demandRealm(request.principal, rules);
      if (!request.principal.scopes.has(rules.scope)) {
        throw new Problem('scope_missing', { detail: `The scope ${rules.scope} is needed.` });
      }
    }
    const { principal } = request;
    const limit = limitClassOf[rules.kind];
    if (limit !== null && principal)
      reply.headers(await takeFromLimit(limit, principal.tenant, guards));
    if (needsKey(request, rules)) request.idempotencyKey = idempotencyKeyOf(request.raw.rawHeaders);
  });
  api.addHook('onResponse', (request, reply, done) => {
    record(request, reply.statusCode, reply.elapsedTime, guards.metrics);
    done();
  });
}

/** What stands before each start of a body of many, as before a request with one. */
export interface LineGuard {
  /**
   * @param isFirst it has been taken from the limit with its request.
   * @throws Problem `stopping`, `overloaded`, `rate_limited`.
   */
  admit(tenant: string, isFirst: boolean): Promise<void>;
  /** Counts a start that has been answered: its status, or the code of its problem. */
  count(operation: string, outcome: string): void;
  readonly isStopping: () => boolean;
}

export const createLineGuard = (api: Api, guards: Guards): LineGuard => ({
  async admit(tenant, isFirst) {
    refuseStart(guards);
    const { heapUsed, eventLoopDelay } = api.memoryUsage();
    const isLate = Number.isFinite(eventLoopDelay) && eventLoopDelay > guards.loopDelayMaxMs;
    if (isLate || heapUsed > heapBytesMax()) throw overloaded();
    if (!isFirst) await takeFromLimit('starts', tenant, guards);
  },
  count: (operation, outcome) => guards.metrics.starts.inc({ operation, outcome }),
  isStopping: () => guards.lifecycle.isStopping(),
});

const heapBytesMax = (): number => getHeapStatistics().heap_size_limit * heapShareMax;

async function shedUnderPressure(api: Api, { loopDelayMaxMs, metrics }: Guards): Promise<void> {
  await api.register(underPressure, {
    maxEventLoopDelay: loopDelayMaxMs,
    maxHeapUsedBytes: heapBytesMax(),
    pressureHandler: (request, _, type, value) => {
      // A sample without a measurement is `Infinity`: nothing is known of the loop yet, which is no reason to refuse.
      if (type === underPressure.TYPE_EVENT_LOOP_DELAY && !Number.isFinite(value)) return;
      const kind = request.routeOptions.config.rules?.kind;
      const isHard =
        type !== underPressure.TYPE_EVENT_LOOP_DELAY || (value ?? 0) > 2 * loopDelayMaxMs;
      if (kind !== 'start' && !(kind === 'list' && isHard)) return;
      metrics.refused.inc({ cause: type });
      return Promise.reject(overloaded());
    },
  });
}

function refuseStart({ lifecycle, starts, startsInHandMax, metrics }: Guards): void {
  if (lifecycle.isStopping()) throw new Problem('stopping', { retryAfterSeconds: 1 });
  if (starts.inHand() < startsInHandMax) return;
  metrics.refused.inc({ cause: 'startsInHand' });
  throw overloaded();
}

/** Regions are no tenant's, and business is no cluster's. */
function demandRealm({ realm }: Principal, { realm: wanted = 'tenant' }: RouteRules): void {
  if (wanted === 'any' || wanted === realm) return;
  throw new Problem('wrong_realm', {
    detail: `This route wants a credential of a ${wanted}; this one is of a ${realm}.`,
  });
}

async function authenticate(request: FastifyRequest, { authentication, addresses }: Guards) {
  addresses.check(request.ip);
  try {
    const { headers } = request;
    return await authentication.authenticate({
      authorization: headers.authorization,
      tenant: textOf(headers['accord-tenant']),
      cluster: textOf(headers['accord-cluster']),
    });
  } catch (error) {
    if (error instanceof Problem && error.code === 'unauthenticated')
      addresses.countFailure(request.ip);
    throw error;
  }
}

const textOf = (header: string | string[] | undefined): string | undefined =>
  header === undefined ? undefined : String(header);

async function takeFromLimit(name: LimitClass, tenant: string, { limits, metrics }: Guards) {
  try {
    return await limits.take(name, tenant);
  } catch (error) {
    metrics.refused.inc({ cause: `limit:${name}` });
    throw error;
  }
}

/** A dry run writes nothing, so it needs no key. Each of many lines has its own. */
function needsKey(request: FastifyRequest, { kind, takesLines }: RouteRules): boolean {
  if (takesLines) return false;
  const { query } = request;
  const isDryRun =
    kind === 'start' &&
    typeof query === 'object' &&
    query !== null &&
    'dryRun' in query &&
    query.dryRun === 'true';
  return request.method === 'POST' && (kind === 'start' || kind === 'steer') && !isDryRun;
}

function acceptMedia({ headers }: FastifyRequest, { kind, media = jsonMedia }: RouteRules): void {
  if (kind !== 'probe' && !preferredOf(headers.accept, media)) throw new Problem('not_acceptable');
}

function record(request: FastifyRequest, status: number, ms: number, metrics: Metrics): void {
  const { method, routeOptions, problemCode } = request;
  const endpoint = routeOptions.url ?? 'unknown';
  metrics.requests.inc({ method, endpoint, status });
  metrics.durations.observe({ method, endpoint }, ms / 1_000);
  const { kind, takesLines } = routeOptions.config.rules ?? {};
  if (kind === 'start' && (!takesLines || problemCode)) {
    metrics.starts.inc({
      operation: `${method} ${endpoint}`,
      outcome: problemCode ?? String(status),
    });
  }
  request.log.info(
    {
      method,
      endpoint,
      status,
      code: problemCode,
      ms: Math.round(ms),
      credential: request.principal?.credential,
    },
    'answered',
  );
}
