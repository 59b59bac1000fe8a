import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { FastifyBaseLogger } from 'fastify';
import { setMaxListeners } from 'node:events';

import { createApprovals, createAsking } from './approvals/approvals';
import { createBookings } from './transactions/bookings';
import { auditSteering } from './http/auditing';
import { createAuthentication } from './http/authentication';
import type { Config } from './config';
import { createCursors } from './http/cursor';
import type { Dependencies } from './dependencies';
import { createEdge, refuseOtherMethods } from './http/edge';
import { inertFaultPoints, type DeliveryPoints } from '../runtime/faults/points';
import { createPremises } from '../runtime/premises';
import type { OwnNamespace } from '../runtime/temporal-premises';
import { createFailovers } from './regions/failovers';
import { createLineGuard, guardRoutes } from './http/guards';
import { createHealth } from './health';
import { createAddressGuard, createLimits } from './http/limits';
import { createMetrics } from './http/metrics';
import { describeRoutes } from './http/openapi';
import { createOperators } from './http/operators';
import type { ApiParts } from './parts';
import { createPremiseWatch } from './premise-watch';
import { apiKeyRoutes, createApprovedKey } from './routes/api-keys';
import { approvalRoutes } from './routes/approvals';
import { auditRoutes } from './routes/audit';
import { failoverRoutes } from './routes/failovers';
import { invariantRoutes } from './routes/invariants';
import { probeRoutes } from './routes/probes';
import { regionPolicyRoutes } from './routes/region-policy';
import { regionRoutes } from './routes/regions';
import { steeringRoutes } from './routes/steering';
import { transactionRoutes } from './routes/transactions';
import { createSecondPerson } from './approvals/second-person';
import { createIntake } from './transactions/intake';
import { createLanes } from './transactions/lanes';
import { createStarter } from './transactions/starter';
import { createStarts } from './transactions/starts';
import { createSteering } from './transactions/steering';
import { answerSteeringOnce } from './transactions/steering-calls';
import type { Temporal } from './transactions/temporal';
import { createWaiting } from './transactions/waiting';
import { createWatchPolicies } from './regions/watch-policy';

export interface ServerParts<Own extends object, Stores> extends Pick<
  ApiParts<Own, Stores>,
  'starts' | 'routes'
> {
  readonly config: Config & Own;
  readonly dependencies: Dependencies<Stores>;
  readonly logger: FastifyBaseLogger;
  readonly faults?: DeliveryPoints;
}

/** An answer of the API is data: a browser that shows it runs nothing, and frames it nowhere. */
const answersPolicy = {
  useDefaults: false,
  directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
};

/** Who holds a slot does not hang up. */
const nobodyLeaves = new AbortController().signal;
setMaxListeners(0, nobodyLeaves);

/**
 * The API, complete and opened on no port: tests call `inject`, `main` calls `listen`. Who builds it also begins and
 * stops the starter. Before it is closed, `beUnready` tells balancers to go elsewhere, while everything is served; then
 * `stopTakingStarts` ends the waits and refuses starts.
 */
export async function buildServer<Own extends object, Stores>({
  config,
  dependencies,
  logger,
  faults = inertFaultPoints,
  starts: flowStarts = [],
  routes,
}: ServerParts<Own, Stores>) {
  const { runs, keys, audit, heartbeat, invariants, temporal, redis, wakeUps } = dependencies;
  const { redisCommands, brokenRedis, namespace } = dependencies;
  const { now } = dependencies.clock;
  const { approvals: approvalsStore, cluster, watch, stores } = dependencies;
  let isReady = true;
  let isStopping = false;
  const lifecycle = { isReady: () => isReady, isStopping: () => isStopping };
  const waiting = createWaiting(runs.glance, wakeUps, config.waitersMax);
  const starter = createStarter(
    { runs, temporal: startsInOwn(namespace, temporal) },
    config.startBacklogMax,
    (error) => logger.warn({ err: error }, 'A round of the starter failed.'),
  );
  const metrics = createMetrics({ waiting: waiting.waiting, backlog: starter.backlog });
  const starts = createStarts({
    ...{ runs, starter, waiting, faults, now },
    intake: createIntake({
      ...{ runs, starter, lanes: createLanes(config.lanes) },
      settled: (gid, withinMs) => waiting.wait(gid, 'ending', withinMs, nobodyLeaves),
    }),
    inHandMax: config.startsInHandMax,
    onShed: () => metrics.refused.inc({ cause: 'startsInHand' }),
  });
  const limits = createLimits(redisCommands, config.limits);
  const premises = createPremiseWatch(
    createPremises(dependencies.premises, { logger, registry: metrics.registry }),
  );
  const authentication = createAuthentication(
    { keys, operators: createOperators(config.operators, now), cluster: config.cluster },
    now,
  );
  const health = createHealth({
    ...{ heartbeat, temporal, redis, limits, starter, runs, cluster, watch, lifecycle },
    ...{ premises, brokenRedis, now },
  });
  const cursors = createCursors(config.secret);
  const steering = createSteering({ runs, temporal, thresholds: config.twoPersonThresholds, now });
  const bookings = createBookings(runs, now);
  const ask = createAsking(approvalsStore, now);
  const secondPerson = createSecondPerson({ ask, audit, metrics, logger, now });
  const failovers = createFailovers({ cluster, starts, secret: config.secret });
  const policies = createWatchPolicies({ cluster, watch });
  const approvals = createApprovals({
    store: approvalsStore,
    audit,
    now,
    handlers: {
      decideStep: steering.decideApproved,
      bookStep: bookings.bookApproved,
      createKey: createApprovedKey(keys, now),
      failover: failovers.startApproved,
      watchPolicy: policies.changeApproved,
    },
  });

  const api = createEdge({ logger, trustProxyHops: config.trustProxyHops });
  const refuseOthers = refuseOtherMethods(api);
  await api.register(helmet, { contentSecurityPolicy: answersPolicy }); // The viewer at /docs brings its own.
  await api.register(cors, { origin: false });
  const guards = {
    authentication,
    addresses: createAddressGuard(config.limits.failedCredentials),
    limits,
    starts,
    startsInHandMax: config.startsInHandMax,
    loopDelayMaxMs: config.loopDelayMaxMs,
    lifecycle,
    metrics,
  };
  await guardRoutes(api, guards);
  const lines = createLineGuard(api, guards);
  auditSteering(api, audit, now);
  answerSteeringOnce(api, { calls: dependencies.steeringCalls, secret: config.secret });
  await describeRoutes(api);
  for (const start of flowStarts) start.addTo(api, { starts, lines, secret: config.secret });
  routes?.(api, { config, stores, starts, lines, steering, runs, cursors, logger });
  transactionRoutes(api, { runs, temporal, starts, cursors });
  steeringRoutes(api, { steering, bookings, secondPerson, runs, cursors });
  approvalRoutes(api, { approvals, store: approvalsStore, cursors });
  failoverRoutes(api, {
    config,
    failovers,
    secondPerson,
    steering,
    starts,
    runs,
    temporal,
    cursors,
  });
  regionRoutes(api, { config, failovers, cluster, watch, now });
  regionPolicyRoutes(api, { policies, secondPerson });
  auditRoutes(api, { audit, cursors });
  invariantRoutes(api, { invariants });
  apiKeyRoutes(api, { config, keys, approvals: approvalsStore, authentication, secondPerson, now });
  probeRoutes(api, { health, registry: metrics.registry });
  refuseOthers();
  await api.ready();

  return {
    api,
    starter,
    metrics,
    premises,
    beUnready(): void {
      isReady = false;
    },
    stopTakingStarts(): void {
      isStopping = true;
      waiting.stop();
    },
  };
}

type TemporalStarts = Pick<Temporal, 'start' | 'startBatch'>;

/** A run in another installation's namespace would be told by its workers, on its databases. */
const startsInOwn = (
  namespace: Pick<OwnNamespace, 'demand'>,
  temporal: TemporalStarts,
): TemporalStarts => ({
  async start(input) {
    await namespace.demand();
    await temporal.start(input);
  },
  async startBatch(batchId, inputs) {
    await namespace.demand();
    await temporal.startBatch(batchId, inputs);
  },
});
export type Server = Awaited<ReturnType<typeof buildServer>>;
