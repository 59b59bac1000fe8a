import type { Tenant } from '../contracts/ids';
import { isEnding, type TransactionInput } from '../contracts/transaction';
import { dependencyUnavailable, Problem } from './errors';
import type { FaultPoints } from '../processes/fault-points';
import { differingFields, type Fingerprint } from './idempotency';
import type { Starter } from './starter';
import type { Claim, NewRun, RunRow, RunsStore } from './stores/runs-store';
import type { Waiting } from './waiting';

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
}

/** How long a caller is willing to wait for the ending, and the sign that it has gone. */
export interface Patience {
  readonly seconds: number | undefined;
  readonly signal: AbortSignal;
}

interface StartDependencies {
  readonly runs: Pick<RunsStore, 'accept' | 'find'>;
  readonly starter: Pick<Starter, 'sendFirst' | 'isBacklogFull'>;
  readonly waiting: Pick<Waiting, 'wait'>;
  readonly faults: FaultPoints;
}

/**
 * The way from a validated request to a durable transaction. What is returned is committed in `accord.runs`; the run
 * itself follows at once, or is sent by the starter: at every point in between this process may die.
 */
export function createStarts({ runs, starter, waiting, faults }: StartDependencies) {
  let inHand = 0;

  async function accept(
    start: Start,
  ): Promise<{ readonly gid: string; readonly isReplay: boolean }> {
    await faults.reach('api.start', 'begun');
    const run: NewRun = { ...start, acceptedAt: new Date() };
    const claim = await runs.accept(run);
    if (claim.kind !== 'accepted') return { gid: gidOfClaim(claim, start), isReplay: true };
    await faults.reach('api.start', 'afterCommit');
    await sendQuietly(start.input);
    await faults.reach('api.start', 'beforeAck');
    return { gid: start.input.gid, isReplay: false };
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
     * @throws Problem `idempotency_key_reused`, `idempotency_in_progress`, `transaction_exists`; `dependency_unavailable`
     *   when too many accepted starts wait for Temporal.
     */
    async start(start: Start, patience: Patience): Promise<Started> {
      if (starter.isBacklogFull()) throw dependencyUnavailable('temporal');
      inHand += 1;
      let accepted;
      try {
        await faults.reach('api.start', 'before');
        accepted = await accept(start);
      } finally {
        inHand -= 1; // A caller that only waits costs nothing.
      }
      const run = await this.settled(start.input.tenant, accepted.gid, patience);
      return { run, isReplay: accepted.isReplay };
    },

    /** The row, once it has ended or is parked, or when patience is over. */
    async settled(tenant: Tenant, gid: string, { seconds, signal }: Patience): Promise<RunRow> {
      const run = await find(tenant, gid);
      if (seconds === undefined || isEnding(run.state) || run.state === 'parked') return run;
      await waiting.wait(gid, seconds * 1_000, signal);
      return find(tenant, gid);
    },

    inHand: (): number => inHand,
  };
}
export type Starts = ReturnType<typeof createStarts>;

function gidOfClaim(claim: Exclude<Claim, { readonly kind: 'accepted' }>, start: Start): string {
  switch (claim.kind) {
    case 'attached':
      return claim.gid;
    case 'reused':
      throw new Problem('idempotency_key_reused', {
        gid: claim.gid,
        errors: differingFields(claim.fields, start.fingerprint.fields),
      });
    case 'exists':
      throw new Problem('transaction_exists', { gid: claim.gid });
    case 'inProgress':
      throw new Problem('idempotency_in_progress', { retryAfterSeconds: 1 });
  }
}
