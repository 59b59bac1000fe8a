import { businessIdOf, gidOf, type Flow, type Gid, type Tenant } from '../../contracts/engine/ids';
import { undoBudgetShare, type TransactionInput } from '../../contracts/engine/transaction';
import { dependencyUnavailable, overloaded, Problem, type FieldError } from '../http/errors';
import { unprocessable } from '../http/refusals';
import type { DeliveryPoints } from '../../runtime/faults/points';
import type { Now } from '../../runtime/server-clock';
import { differingFields, type Fingerprint } from '../http/idempotency';
import type { People } from '../http/people';
import type { Until } from '../http/preference';
import { createInHand } from './in-hand';
import type { Intake } from './intake';
import type { Starter } from './starter';
import type { RunsStore } from '../stores/runs-store';
import type { Claim, EarlierClaim, KeyedRequest, NewRun } from '../stores/runs/acceptance';
import type { SwitchSlot } from '../stores/runs/hub';
import type { RunRow } from '../stores/runs/rows';
import { isSettled, type Waiting } from './waiting';

/** The transaction as callers get it: its row, and whether this request was the one that made it. */
export interface Started {
  readonly run: RunRow;
  readonly isReplay: boolean;
}

/** A validated start, from whatever flow. */
export interface Start {
  readonly input: TransactionInput;
  readonly reference: string;
  readonly operation: string;
  readonly idempotencyKey: string;
  readonly fingerprint: Fingerprint;
  /** All the people who may stand behind the credential that starts it. */
  readonly requester: People;
  /**
   * Looks at what the request names, before anything is written: the fields that are wrong. Asked only where the key is
   * not known yet, for a known one is answered from its row. Left out: nothing is looked at.
   */
  readonly screen?: (() => Promise<readonly FieldError[]>) | undefined;
  /** `single`: it shares no workflow. */
  readonly lane?: 'single' | undefined;
  /** Only for a flow of operators: it moves regions, and is neither shed nor refused during a switch. */
  readonly turn?: SwitchSlot | undefined;
}

/** How long a caller is willing to wait, for what, and the sign that it has gone. */
export interface CallerWait {
  readonly seconds: number | undefined;
  readonly until: Until;
  readonly signal: AbortSignal;
}

/** Inputs in hand, as JSON. What a process holds of a start besides is a few times as much. */
const bytesInHandMax = 16 * 1024 * 1024;

interface StartDependencies {
  readonly runs: Pick<RunsStore, 'accept' | 'find' | 'findClaim'>;
  readonly intake: Intake;
  readonly starter: Pick<Starter, 'sendFirst' | 'isBacklogFull'>;
  readonly waiting: Pick<Waiting, 'wait'>;
  readonly faults: DeliveryPoints;
  /** The clock that deadlines are judged by. */
  readonly now: Now;
  /** Starts that this process works on at once. */
  readonly inHandMax: number;
  /** Told of each start that is refused because its tenant has too much in hand. */
  readonly onShed: () => void;
}

/**
 * The way from a validated request to a durable transaction. What is returned is committed in `accord.runs`; the run
 * itself follows at once, or is sent by the starter: at every point in between this process may die.
 */
export function createStarts({
  runs,
  intake,
  starter,
  waiting,
  faults,
  now,
  inHandMax,
  onShed,
}: StartDependencies) {
  const inHand = createInHand({ items: inHandMax, bytes: bytesInHandMax });

  async function accept(
    start: Start,
    inputJson: Buffer,
  ): Promise<{ readonly gid: string; readonly isReplay: boolean }> {
    const gids = () => [start.input.gid];
    await faults.reach('api.start', 'begun', gids);
    const earlier = start.screen && (await screened(start, start.screen));
    if (earlier) return { gid: gidOfClaim(earlier, start.fingerprint), isReplay: true };
    const run: NewRun = { ...start, inputJson, acceptedAt: new Date(now()) };
    const committed = () => faults.reach('api.start', 'afterCommit', gids);
    const claim = start.turn
      ? await acceptTurn(run, committed)
      : await intake.accept(run, committed);
    if (claim.kind !== 'accepted')
      return { gid: gidOfClaim(claim, start.fingerprint), isReplay: true };
    await faults.reach('api.start', 'beforeAck', gids);
    return { gid: start.input.gid, isReplay: false };
  }

  /** Operators' flows wait behind no customer's. Their rows are marked as sent when they are. */
  async function acceptTurn(run: NewRun, committed: () => Promise<void>): Promise<Claim> {
    const claim = await runs.accept(run);
    if (claim.kind !== 'accepted') return claim;
    await committed();
    await sendQuietly(run.input);
    return claim;
  }

  /** @returns the claim of a key that is known. @throws Problem `unprocessable`: what the screening has found. */
  async function screened(
    start: Start,
    screen: NonNullable<Start['screen']>,
  ): Promise<EarlierClaim | undefined> {
    const earlier = await runs.findClaim(start);
    if (earlier) return earlier;
    const errors = await screen();
    if (errors.length > 0) throw unprocessable(errors);
    return undefined;
  }

  /** @returns gives its place back. @throws Problem `overloaded`. */
  function enter({ input, turn }: Start, bytes: number): () => void {
    if (!turn && !inHand.hasRoomFor(input.tenant, bytes)) {
      onShed();
      throw overloaded();
    }
    return inHand.enter(input.tenant, bytes);
  }

  /** Accepted is accepted: whatever happens to the first send, the starter repeats it. */
  async function sendQuietly(input: TransactionInput): Promise<void> {
    try {
      await starter.sendFirst(input);
    } catch {
      // Marked or not, the row shows it to the next round.
    }
  }

  async function find(tenant: Tenant, gid: string): Promise<RunRow> {
    const run = await runs.find(tenant, gid);
    if (!run) throw new Problem('outcome_unknown', { gid }); // Seen a moment ago: rows are never deleted.
    return run;
  }

  return {
    /**
     * Accepts a start once, however often it comes.
     * @throws Problem `unprocessable`, `idempotency_key_reused`, `idempotency_in_progress`, `transaction_exists`;
     *   `region_switching` of business; `failover_in_progress`, `state_changed` of an operator's flow;
     *   `dependency_unavailable` when too many accepted starts wait for Temporal; `overloaded` when too many of the
     *   tenant are in hand.
     */
    async start(start: Start, callerWait: CallerWait): Promise<Started> {
      if (!start.turn && starter.isBacklogFull()) throw dependencyUnavailable('temporal');
      const inputJson = Buffer.from(JSON.stringify(start.input));
      const leave = enter(start, inputJson.length);
      let accepted;
      try {
        const gids = () => [start.input.gid];
        await faults.reach('api.start', 'before', gids);
        accepted = await faults.deliver('api.start', () => accept(start, inputJson), gids);
      } finally {
        leave(); // A caller that only waits costs nothing.
      }
      const run = await this.settled(start.input.tenant, accepted.gid, callerWait);
      return { run, isReplay: accepted.isReplay };
    },

    /** The transaction of a key that is known. @throws Problem `idempotency_key_reused`. */
    async earlier(request: KeyedRequest, callerWait: CallerWait): Promise<Started | undefined> {
      const claim = await runs.findClaim(request);
      if (!claim) return undefined;
      const run = await this.settled(
        request.input.tenant,
        gidOfClaim(claim, request.fingerprint),
        callerWait,
      );
      return { run, isReplay: true };
    },

    /** The row, once it is settled, or when the wait is over. */
    async settled(tenant: Tenant, gid: string, callerWait: CallerWait): Promise<RunRow> {
      const { seconds, until, signal } = callerWait;
      const run = await find(tenant, gid);
      if (seconds === undefined || isSettled(run, until)) return run;
      await waiting.wait(gid, until, seconds * 1_000, signal);
      return find(tenant, gid);
    },

    inHand: inHand.items,
    now,
    /** What every flow's input begins with. */
    inputOf: (flow: Flow, tenant: Tenant, reference: string, lifeMs: number): TransactionInput => ({
      gid: gidOf(flow, businessIdOf(tenant, reference)),
      tenant,
      flow,
      deadlineAt: now() + lifeMs,
      undoBudgetMs: Math.floor(lifeMs * undoBudgetShare),
    }),
  };
}
export type Starts = ReturnType<typeof createStarts>;

function gidOfClaim(
  claim: Exclude<Claim, { readonly kind: 'accepted' }>,
  fingerprint: Fingerprint,
): string {
  switch (claim.kind) {
    case 'attached':
      return claim.gid;
    case 'reused':
      throw new Problem('idempotency_key_reused', {
        gid: claim.gid,
        errors: differingFields(claim.fields, fingerprint.fields),
      });
    case 'exists':
      throw new Problem('transaction_exists', { gid: claim.gid });
    case 'inProgress':
      throw new Problem('idempotency_in_progress', { retryAfterSeconds: 1 });
    case 'switching': // With jitter, so that those who were refused together do not come back together.
      throw new Problem('region_switching', {
        retryAfterSeconds: 1 + Math.floor(Math.random() * 5),
      });
    case 'held':
      throw failoverInProgress(claim.gid);
    case 'moved':
      throw new Problem('state_changed', { detail: 'The cluster has moved meanwhile.' });
  }
}

/** @param holder who moves the regions now. */
export const failoverInProgress = (holder: Gid | null): Problem =>
  new Problem('failover_in_progress', { ...(holder !== null && { gid: holder }) });
