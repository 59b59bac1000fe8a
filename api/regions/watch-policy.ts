import type { WatchPolicy } from '../../contracts/regions/watch';
import type { ActionOf } from '../approvals/actions';
import type { Approved } from '../approvals/approvals';
import { canonicalJson } from '../../contracts/engine/canonical-json';
import { Problem, type FieldError } from '../http/errors';
import { fault, refuse } from '../http/refusals';
import type { WantSecondPerson } from '../approvals/second-person';
import type { ApprovalRow } from '../stores/approvals-store';
import type { ClusterStore, ClusterView } from '../stores/cluster-store';
import type { SeenChange, WatchStore } from '../stores/watch-store';

/** What became of a change: it is the policy, or it waits for a second person. */
export type PolicyChange =
  { readonly kind: 'changed' } | { readonly kind: 'waits'; readonly approval: ApprovalRow };

interface Parts {
  readonly cluster: Pick<ClusterStore, 'find'>;
  readonly watch: Pick<WatchStore, 'policy' | 'changePolicy' | 'changeSeenPolicy'>;
}

/**
 * What the watch of a cluster may do by itself. Whatever arms it wants two persons, who mean the same policy: as the first
 * one has seen it, and no later one. One person disarms it.
 *
 * Every method throws Problem `not_found`: there is no such cluster.
 */
export function createWatchPolicies({ cluster, watch }: Parts) {
  /** @throws Problem `unprocessable`: its regions are none of the cluster. */
  async function demandRegions(name: string, policy: WatchPolicy): Promise<void> {
    const view = await cluster.find(name);
    if (!view) throw new Problem('not_found');
    refuse(faultsOf(view, policy));
  }

  /** Safe to repeat: the whole of it is replaced. Asks by `want` where the watch may act afterwards. */
  async function change(
    name: string,
    policy: WatchPolicy,
    by: string,
    want: WantSecondPerson,
  ): Promise<PolicyChange> {
    await demandRegions(name, policy);
    if (!policy.autoFailover) {
      await watch.changePolicy(policy, by);
      return { kind: 'changed' };
    }
    const { version, policy: seen } = await watch.policy();
    if (isSame(policy, seen)) return { kind: 'changed' };
    const both = { policy: shown(policy), seen: shown(seen) };
    const granted = await want({ kind: 'watchPolicy', version, ...both }, 'arms_failover');
    if (granted.kind === 'waits') return granted;
    await arm(policy, { by, version, approval: null });
    return { kind: 'changed' };
  }

  /** What a second person has approved. Safe to repeat, also at the same time. */
  async function changeApproved(approved: Approved<ActionOf<'watchPolicy'>>): Promise<void> {
    const { id, tenant, askedBy, action } = approved;
    const { policy, version } = action;
    await demandRegions(tenant, policy);
    await arm(policy, { by: askedBy, version, approval: id });
  }

  /** @throws Problem `state_changed`: the policy was changed since it was seen. */
  async function arm(policy: WatchPolicy, seen: SeenChange): Promise<void> {
    if (await watch.changeSeenPolicy(policy, seen)) return;
    throw new Problem('state_changed', {
      detail: 'Somebody has changed the policy since: look again, and ask again.',
    });
  }

  return { change, changeApproved };
}
export type WatchPolicies = ReturnType<typeof createWatchPolicies>;

const isSame = (one: WatchPolicy, other: WatchPolicy): boolean =>
  canonicalJson(shown(one)) === canonicalJson(shown(other));

/** Its fields alone, each as JSON has it. */
const shown = ({
  autoFailover,
  failureThreshold,
  unhealthyMs,
  maxAttempts,
  priorities,
  dataSyncTimeoutSeconds,
}: WatchPolicy) => ({
  ...{ autoFailover, failureThreshold, unhealthyMs, maxAttempts },
  ...{ priorities: [...priorities], dataSyncTimeoutSeconds },
});

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
