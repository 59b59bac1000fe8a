import { ApplicationFailure } from '@temporalio/common';

import {
  fencingToken,
  lockTtlMs,
  type LockActivities,
  type LockRequest,
} from '../../contracts/engine/locks';
import { inertFaultPoints, type FaultPoints } from '../../runtime/faults/points';
import { LocksUnavailable, type LockStore } from './lock-store';

/** Observer of outages of Redis. During an outage runs continue without isolation. */
export interface LockObserver {
  /** Counts every call without an answer. */
  unavailable(operation: keyof LockActivities): void;
  /** Logs an outage once, at its first call. */
  outageBegan(error: LocksUnavailable): void;
  outageEnded(): void;
}

/** Delay before a held lock is tried again. It is shorter if the owner's lease ends sooner. */
const heldDelayMs = 250;

/**
 * The activities of `locks`. Redis gives isolation, never safety, so an outage never fails a run. Then `acquireLock`
 * answers without a token, and no token is compared later. `renewLock` answers true: the lease may still exist, and if
 * not, the fencing token decides. `releaseLock` leaves the lock to the end of its lease.
 */
export function createLockActivities({
  locks,
  epoch,
  observer,
  faults = inertFaultPoints,
}: {
  readonly locks: LockStore;
  /** The epoch that writes carry, from the hub. */
  readonly epoch: () => Promise<number>;
  readonly observer: LockObserver;
  /** Left out: inert. */
  readonly faults?: FaultPoints;
}): LockActivities {
  const answered = withoutOutages(observer);
  const ask = async <Answer>(
    operation: keyof LockActivities,
    { gid }: LockRequest,
    call: () => Promise<Answer>,
  ): Promise<Answer | undefined> => {
    await faults.reach(operation, 'before', () => [gid]);
    const answer = await answered(operation, call);
    await faults.reach(operation, 'afterCommit', () => [gid]);
    return answer;
  };
  return {
    async acquireLock(request) {
      const currentEpoch = await epoch();
      const grant = await ask('acquireLock', request, () => locks.acquire(request));
      if (grant === undefined) return { token: null };
      if (grant.held) throw lockHeld(request, grant.leaseLeftMs);
      return { token: fencingToken(currentEpoch, grant.counter).toString() };
    },
    renewLock: async (request) =>
      (await ask('renewLock', request, () => locks.renew(request))) ?? true,
    releaseLock: (request) => ask('releaseLock', request, () => locks.release(request)),
  };
}

/** Returns `undefined` while Redis does not answer, and reports beginning and end of an outage to the observer. */
function withoutOutages(observer: LockObserver) {
  let isAway = false;
  return async <Answer>(
    operation: keyof LockActivities,
    call: () => Promise<Answer>,
  ): Promise<Answer | undefined> => {
    try {
      const answer = await call();
      if (isAway) observer.outageEnded();
      isAway = false;
      return answer;
    } catch (error) {
      if (!(error instanceof LocksUnavailable)) throw error;
      observer.unavailable(operation);
      if (!isAway) observer.outageBegan(error);
      isAway = true;
      return undefined;
    }
  };
}

function lockHeld({ kind, id }: LockRequest, leaseLeftMs: number): ApplicationFailure {
  const jittered = heldDelayMs * (0.5 + Math.random()); // Waiting runs must not retry at the same moment.
  const delayMs = Math.max(1, Math.round(Math.min(jittered, leaseLeftMs, lockTtlMs)));
  return ApplicationFailure.create({
    type: 'LockHeld',
    message: `Another transaction holds the lock of ${kind} ${id}.`,
    nextRetryDelay: delayMs,
  });
}
