import type { Tenant } from '../../contracts/engine/ids';
import type { FailbackInput, FailoverInput, FailoverKind } from '../../contracts/regions/regions';
import type { ActionOf } from '../approvals/actions';
import type { Approved } from '../approvals/approvals';
import { Problem, type FieldError } from '../http/errors';
import { fault, refuse } from '../http/refusals';
import { fingerprintOf } from '../http/idempotency';
import type { WantSecondPerson } from '../approvals/second-person';
import {
  failoverInProgress,
  type CallerWait,
  type Started,
  type Starts,
} from '../transactions/starts';
import type { ApprovalRow } from '../stores/approvals-store';
import type { ClusterStore, ClusterView } from '../stores/cluster-store';
import type { KeyedRequest, NewRun } from '../stores/runs/acceptance';

/** A switch as the caller asks for it. */
export interface AskedFailover {
  readonly from: string;
  /** Left out: the first standby. */
  readonly to?: string | undefined;
  readonly kind: FailoverKind;
  readonly reason: string;
  /** Writes that may be lost, in milliseconds. */
  readonly acceptLoss: number;
  /** It may begin although no standby acknowledges. */
  readonly force: boolean;
}

/** A request with its key, and who may stand behind it. */
export type RequestedBy = KeyedRequest & Pick<NewRun, 'requester'>;

/** What became of it: it was accepted, or it waits for a second person. */
export type RequestedFailover =
  | { readonly kind: 'started'; readonly started: Started }
  | { readonly kind: 'waits'; readonly approval: ApprovalRow };

/**
 * Life of a switch; half of it is for undoing. A switch takes seconds, and a caller must not wait hours for its end.
 */
const failoverLifeMs = 600_000;
/** Life of a rejoin: it is decided at once, and goes on for as long as a copy of the data takes. */
const failbackLifeMs = 600_000;
/** Limit of the drain: within one attempt of its activity. */
const dataSyncSeconds = 8;
/** Scope of the key of what two persons have started: no caller's key is in it. */
const approvedOperation = 'approved failover';

interface Parts {
  readonly cluster: Pick<ClusterStore, 'find'>;
  readonly starts: Pick<Starts, 'start' | 'earlier' | 'inputOf'>;
  /** Secret for digests of fields. */
  readonly secret: string;
}

/**
 * What operators ask of the regions of a cluster, whose name stands in the place of the tenant. A switch or rejoin is
 * prepared for the cluster as it is, and accepted by compare-and-set on its row: one at a time.
 *
 * Every method throws Problem `failover_in_progress`: another one is under way; `state_changed`: the cluster has moved
 * since it was prepared; and what `Starts` throws.
 */
export function createFailovers({ cluster, starts, secret }: Parts) {
  /** @throws Problem `unprocessable`. */
  async function prepared(tenant: Tenant, asked: AskedFailover): Promise<ActionOf<'failover'>> {
    const view = await cluster.find(tenant);
    if (view?.holder) throw failoverInProgress(view.holder);
    refuse(faultsOf(view, asked));
    const to = targetOf(view, asked);
    if (!view || to === undefined) throw new Error('What is wrong has been refused.');
    const { sequence, epoch } = view;
    const { from, kind: failover, reason, acceptLoss, force } = asked;
    const { gid } = starts.inputOf('failover', tenant, numberOf(view), failoverLifeMs);
    return {
      ...{ kind: 'failover', gid, failover, from, to, reason, acceptLoss, force },
      ...{ sequence, epoch },
    };
  }

  const start = (
    action: ActionOf<'failover'>,
    tenant: Tenant,
    keyed: Omit<RequestedBy, 'input'>,
    callerWait: CallerWait,
  ): Promise<Started> => {
    const { sequence, epoch, from, to, reason } = action;
    const reference = numberOf(action);
    const input: FailoverInput = {
      ...starts.inputOf('failover', tenant, reference, failoverLifeMs),
      ...{ cluster: tenant, from, to, kind: action.failover, epoch, reason, dataSyncSeconds },
      lossAllowedMs: action.acceptLoss,
      mayBeginAlone: action.force,
    };
    return starts.start({ ...keyed, input, reference, turn: { sequence, epoch } }, callerWait);
  };

  /**
   * Starts what a second person has approved. Safe to repeat, also at the same time: the approval is its key, and once
   * the key is forgotten the cluster's number is another one.
   */
  async function startApproved({
    id,
    tenant,
    askedPeople: requester,
    action,
  }: Approved<ActionOf<'failover'>>): Promise<void> {
    const fingerprint = fingerprintOf({}, action, secret);
    const keyed = { operation: approvedOperation, idempotencyKey: id, fingerprint, requester };
    const callerWait = { seconds: undefined, until: 'ending', signal: never } as const;
    await start(action, tenant, keyed, callerWait);
  }

  return {
    /**
     * Accepts a switch; an unplanned one asks by `want` first.
     * @throws Problem `unprocessable`: the regions are not as it says.
     */
    async request(
      asked: AskedFailover,
      keyed: RequestedBy,
      want: WantSecondPerson,
      callerWait: CallerWait,
    ): Promise<RequestedFailover> {
      const earlier = await starts.earlier(keyed, callerWait);
      if (earlier) return { kind: 'started', started: earlier };
      const { tenant } = keyed.input;
      const action = await prepared(tenant, asked);
      const granted = action.failover === 'unplanned' && (await want(action, 'unplanned_failover'));
      if (granted && granted.kind === 'waits') return granted;
      return { kind: 'started', started: await start(action, tenant, keyed, callerWait) };
    },

    startApproved,

    /**
     * Lets a region stand by again.
     * @throws Problem `not_found`: there is no such region; `unprocessable`: it is the active one.
     */
    async rejoin(region: string, keyed: RequestedBy, callerWait: CallerWait): Promise<Started> {
      const earlier = await starts.earlier(keyed, callerWait);
      if (earlier) return earlier;
      const { tenant } = keyed.input;
      const view = await cluster.find(tenant);
      if (!view?.regions.some((one) => one.region === region)) throw new Problem('not_found');
      if (view.holder) throw failoverInProgress(view.holder);
      const { region: active, sequence, epoch } = view;
      refuse(region === active ? [fault(':region', 'is_active', 'is the active one')] : []);
      const reference = numberOf(view);
      const input: FailbackInput = {
        ...starts.inputOf('failback', tenant, reference, failbackLifeMs),
        ...{ cluster: tenant, region, active, epoch },
      };
      return starts.start({ ...keyed, input, reference, turn: { sequence, epoch } }, callerWait);
    },
  };
}
export type Failovers = ReturnType<typeof createFailovers>;

const never = new AbortController().signal;

/** The next number of a cluster; those of its switches and rejoins are one sequence. */
const numberOf = ({ sequence }: Pick<ClusterView, 'sequence'>): string => String(sequence + 1);

const standbysOf = ({ region: active, regions }: ClusterView) =>
  regions.filter(({ region, status }) => region !== active && status === 'STANDBY');

const targetOf = (view: ClusterView | undefined, { to }: AskedFailover): string | undefined =>
  to ?? (view && standbysOf(view)[0]?.region);

/** What cannot be, as the cluster is now; `undefined`: there is none. */
export function faultsOf(
  view: ClusterView | undefined,
  asked: AskedFailover,
): readonly FieldError[] {
  const { from, kind, acceptLoss, force } = asked;
  if (!view || !isKnown(view, from)) return [unknownAt('/from')];
  return [
    ...(from === view.region
      ? []
      : [fault('/from', 'not_active', `${view.region} is the active one`)]),
    ...targetFaultsOf(view, asked),
    ...(kind === 'planned' && acceptLoss > 0
      ? [fault('/acceptLoss', 'planned_loses_nothing', 'only an unplanned one may lose anything')]
      : []),
    ...(view.sync || force
      ? []
      : [fault('/force', 'not_acknowledged', 'no standby acknowledges: say that it may begin')]),
  ];
}

const isKnown = ({ region: active, regions }: ClusterView, name: string): boolean =>
  name === active || regions.some(({ region }) => region === name);

const unknownAt = (pointer: string): FieldError =>
  fault(pointer, 'region_unknown', 'there is no such region of this cluster');

function targetFaultsOf(view: ClusterView, { from, to }: AskedFailover): readonly FieldError[] {
  const standbys = standbysOf(view);
  if (to === undefined)
    return standbys.length > 0 ? [] : [fault('/to', 'no_standby', 'no region stands by')];
  if (to === from) return [fault('/to', 'same_region', 'is the region that it comes from')];
  if (!isKnown(view, to)) return [unknownAt('/to')];
  if (standbys.some(({ region }) => region === to)) return [];
  const status = view.regions.find(({ region }) => region === to)?.status ?? 'ACTIVE';
  return [fault('/to', 'not_standby', `is ${status}`)];
}
