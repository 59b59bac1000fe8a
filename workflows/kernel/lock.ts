import { CancellationScope, isCancellation, sleep, TemporalFailure } from '@temporalio/workflow';

import type { LockRequest } from '../../contracts/engine/locks';
import { lockRenewalMs } from '../../contracts/engine/locks';
import type { LaneLocks } from './lanes/lane';
import type { Run } from './run';
import { note } from './run';
import type { HeldLock } from './executable-flow';

/** Maximum renewals of one run, which is an hour. A transaction that acts for longer continues without isolation. */
const lockRenewalsMax = 360;

/** The locks of one transaction. They give isolation only: no failure of a lock ends a transaction. */
export interface HeldLocks {
  /** @param timeLeftMs how long to wait while another transaction has it. */
  acquire(request: LockRequest, timeLeftMs: number): Promise<HeldLock>;
  /** Takes all locks again, after a participant has seen a newer fencing token than ours. */
  acquireAgain(timeLeftMs: number): Promise<void>;
  release(): Promise<void>;
}

export function createHeldLocks(run: Run, locks: LaneLocks): HeldLocks {
  const held = new Map<string, { readonly request: LockRequest; token: string | null }>();
  const lost = new Set<string>();
  let renewing = false;
  return { acquire, acquireAgain, release };

  async function acquire(request: LockRequest, timeLeftMs: number): Promise<HeldLock> {
    // Stored before the call: a grant whose answer was lost must be given back, too.
    const lock: { request: LockRequest; token: string | null } = { request, token: null };
    held.set(`${request.kind}:${request.id}`, lock);
    lock.token = (await locks.acquire(request, timeLeftMs)).token;
    if (lock.token === null) note(run, `No lock on ${request.kind} ${request.id}: Redis is away.`);
    if (!renewing) {
      renewing = true;
      void CancellationScope.nonCancellable(renew).finally(() => (renewing = false));
    }
    return lock;
  }

  async function acquireAgain(timeLeftMs: number): Promise<void> {
    for (const lock of held.values()) {
      note(run, `The lock on ${lock.request.kind} ${lock.request.id} was lost; taken again.`);
      lock.token = (await locks.acquire(lock.request, timeLeftMs)).token;
    }
  }

  /**
   * Renews while acts run, up to the maximum: each renewal costs a dozen events of a bounded history. Its timer is left
   * to fire, see `waitFor`.
   */
  async function renew(): Promise<void> {
    for (let renewal = 0; renewal < lockRenewalsMax; renewal += 1) {
      await sleep(lockRenewalMs, { summary: 'until the locks are renewed' });
      // Isolation is no longer needed: the lease may end.
      if (held.size === 0 || run.phase === 'forward' || run.phase === 'undoing') return;
      for (const { request } of held.values()) {
        const kept = await locks.renew(request).catch(ignoreFailure);
        // No action here: the comparison of the fencing token finds the loss for sure.
        if (kept === false && held.size > 0 && !lost.has(request.id)) {
          lost.add(request.id);
          note(run, `The lease on ${request.kind} ${request.id} ran out.`);
        }
      }
    }
  }

  async function release(): Promise<void> {
    const requests = [...held.values()].map(({ request }) => request);
    held.clear();
    await CancellationScope.nonCancellable(() =>
      Promise.all(requests.map((request) => locks.release(request).catch(ignoreFailure))),
    );
  }
}

/** Ignores failures of Temporal: a lease ends by itself. Throws bugs and cancels on. */
function ignoreFailure(error: unknown): void {
  if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
}
