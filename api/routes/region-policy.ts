import { z } from 'zod';

import type { WatchPolicy } from '../../contracts/region-watch';
import { Problem, type FieldError } from '../errors';
import { fault, refuse } from '../faults';
import { principalOf, type Api } from '../route-rules';
import type { ClusterStore, ClusterView } from '../stores/cluster-store';
import type { WatchStore } from '../stores/watch-store';

/** What a watch may do by itself: bounds that keep it from flapping, and from waiting for ever. */
export const watchPolicySchema = z
  .strictObject({
    autoFailover: z.boolean(),
    // Three looks of the watch, which looks each half second: one that was slow is no region that is lost.
    failureThreshold: z.int().min(3).max(20),
    unhealthyMs: z.int().min(1_500).max(60_000),
    maxAttempts: z.int().min(0).max(10),
    priorities: z
      .array(
        z.string().regex(/^[a-z0-9-]{1,16}$/, 'must be 1 to 16 small letters, digits or dashes'),
      )
      .max(16),
    dataSyncTimeoutSeconds: z.int().min(1).max(60),
  })
  .meta({ id: 'WatchPolicy' }) satisfies z.ZodType<WatchPolicy>;

interface RegionPolicyRoutes {
  readonly cluster: Pick<ClusterStore, 'find'>;
  readonly watch: Pick<WatchStore, 'changePolicy'>;
}

/** Of the caller's cluster. */
export function regionPolicyRoutes(api: Api, { cluster, watch }: RegionPolicyRoutes): void {
  api.put('/v1/regions/policy', {
    config: { rules: { kind: 'steer', scope: 'ops:failover', realm: 'cluster' } }, // Audited, with the policy as it was sent.
    schema: {
      summary: 'Says what the watch of the regions may do by itself',
      body: watchPolicySchema,
      response: { 200: watchPolicySchema },
    },
    handler: async (request) => {
      const { tenant, subject } = principalOf(request);
      const view = await cluster.find(tenant);
      if (!view) throw new Problem('not_found');
      refuse(faultsOf(view, request.body));
      await watch.changePolicy(request.body, subject);
      return request.body;
    },
  });
}

function faultsOf(
  { regions }: Pick<ClusterView, 'regions'>,
  { priorities }: Pick<WatchPolicy, 'priorities'>,
): readonly FieldError[] {
  return priorities.flatMap((name, at) => {
    if (priorities.indexOf(name) < at)
      return [fault(`/priorities/${at}`, 'region_twice', 'is named before')];
    return regions.some(({ region }) => region === name)
      ? []
      : [fault(`/priorities/${at}`, 'region_unknown', 'there is no such region of this cluster')];
  });
}
