import { z } from 'zod';

import { regionStatuses } from '../../contracts/regions/regions';
import type { Now } from '../../runtime/server-clock';
import type { Config } from '../config';
import type { Failovers } from '../regions/failovers';
import { principalOf, waitingHandlerMs, type Api } from '../http/route-rules';
import { endingSchema, runViewSchema } from '../transactions/run-view';
import { text, time } from '../http/schemas';
import {
  regionHealthOf,
  regionHealthSchema,
  regionServicesOf,
  regionServicesSchema,
} from '../regions/region-health';
import type { ClusterStore, ClusterView, RegionRow } from '../stores/cluster-store';
import type { RegionObservation, WatchStore } from '../stores/watch-store';
import { keyedOf, callerWaitOf } from './failovers';
import { watchPolicySchema } from '../regions/watch-policy-schema';
import { answerOf } from './start-route';

const regionSchema = z
  .object({
    region: z.string(),
    status: z.enum(regionStatuses),
    active: z.boolean(),
    /** `null`: the region was left behind, and its epoch is unknown. */
    epoch: z.number().nullable(),
    /** A commit of the active one is acknowledged when a standby has it; `null`: it takes no part in that. */
    sync: z.boolean().nullable(),
    /** Age of the newest write of the hub that the region has acknowledged, or that a standby has; `null`: unknown. */
    lagMs: z.number().nullable(),
    changedAt: time,
    ...regionHealthSchema.shape,
    services: regionServicesSchema,
  })
  .meta({ id: 'Region' });

interface RegionRoutes {
  readonly config: Pick<Config, 'secret'>;
  readonly failovers: Pick<Failovers, 'rejoin'>;
  readonly cluster: Pick<ClusterStore, 'find'>;
  readonly watch: Pick<WatchStore, 'observations' | 'services' | 'policy'>;
  readonly now: Now;
}

/** Regions of the caller's cluster. */
export function regionRoutes(
  api: Api,
  { config, failovers, cluster, watch, now }: RegionRoutes,
): void {
  api.get('/v1/regions', {
    config: { rules: { kind: 'read', scope: 'ops:failover', realm: 'cluster' } }, // A few, and wanted when much else is shed.
    schema: {
      summary: 'Regions of the cluster, none where it is in one place; and what their watch may do',
      response: {
        200: z.object({ items: z.array(regionSchema), policy: watchPolicySchema.optional() }),
      },
    },
    handler: async (request) => {
      const view = await cluster.find(principalOf(request).tenant);
      if (!view) return { items: [] };
      const [observations, services, { policy }] = await Promise.all([
        watch.observations(),
        watch.services(),
        watch.policy(),
      ]);
      const items = view.regions.map((region) => ({
        ...regionOf(view, region, observations, now()),
        services: regionServicesOf(services, region.region),
      }));
      return { items, policy: { ...policy, priorities: [...policy.priorities] } };
    },
  });

  api.post('/v1/regions/:region/rejoin', {
    config: { rules: { kind: 'steer', scope: 'ops:failover', realm: 'cluster', keeps: false } },
    handlerTimeout: waitingHandlerMs,
    schema: {
      summary: 'Lets a region stand by again; what it alone has is kept as evidence',
      params: z.strictObject({ region: z.string() }),
      body: z.strictObject({ note: text(500).optional() }).nullish(), // For the audit.
      response: { 200: endingSchema, 202: runViewSchema },
    },
    handler: async (request, reply) => {
      const { region } = request.params;
      const keyed = keyedOf(request, { region }, config.secret);
      const { preference, callerWait } = callerWaitOf(request, reply);
      const started = await failovers.rejoin(region, keyed, callerWait);
      request.gidSteered = started.run.gid;
      const { status, headers, body } = answerOf(started, preference, undefined);
      return reply
        .code(status)
        .headers(headers)
        .send(body as never); // The ending goes out as it is, in bytes.
    },
  });
}

export function regionOf(
  { region: activeRegion, epoch, sync, acknowledgedAt }: ClusterView,
  { region, status, changedAt }: RegionRow,
  observations: readonly RegionObservation[],
  now: number,
): Omit<z.infer<typeof regionSchema>, 'services'> {
  const active = region === activeRegion;
  const takesPart = active || status === 'STANDBY';
  const health = regionHealthOf(observations, region, active && !sync);
  const behindMs = health.vantages.find(({ lagMs }) => lagMs !== null)?.lagMs ?? null;
  return {
    ...{ region, status, active },
    epoch: takesPart ? epoch : null,
    sync: takesPart ? sync : null,
    lagMs: active && acknowledgedAt ? Math.max(0, now - acknowledgedAt.getTime()) : behindMs,
    changedAt: changedAt.toISOString(),
    ...health,
  };
}
