import { approvalLinkOf, approvalSchema, approvalViewOf } from '../approvals/view';
import { principalOf, type Api } from '../http/route-rules';
import { askerOf, breakGlassField, type SecondPerson } from '../approvals/second-person';
import type { WatchPolicies } from '../regions/watch-policy';
import { watchPolicySchema } from '../regions/watch-policy-schema';

const policyBody = watchPolicySchema
  .extend({ breakGlass: breakGlassField })
  .meta({ id: 'NewWatchPolicy' });

interface RegionPolicyRoutes {
  readonly policies: Pick<WatchPolicies, 'change'>;
  readonly secondPerson: SecondPerson;
}

/** Routes for the policy of the caller's cluster. */
export function regionPolicyRoutes(api: Api, { policies, secondPerson }: RegionPolicyRoutes): void {
  api.put('/v1/regions/policy', {
    config: { rules: { kind: 'steer', scope: 'ops:failover', realm: 'cluster' } }, // Audited, with the policy as it was sent.
    schema: {
      summary: 'Says what the watch of the regions may do by itself; to arm it wants two persons',
      body: policyBody,
      response: { 200: watchPolicySchema, 202: approvalSchema },
    },
    handler: async (request, reply) => {
      const { breakGlass, ...policy } = request.body;
      const { tenant, subject } = principalOf(request);
      const want = secondPerson.of(askerOf(request, breakGlass));
      const change = await policies.change(tenant, policy, subject, want);
      if (change.kind === 'changed') return policy;
      const { approval } = change;
      return reply
        .code(202)
        .header('location', approvalLinkOf(approval.id))
        .send(approvalViewOf(approval));
    },
  });
}
