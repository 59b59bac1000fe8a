import { ApplicationFailure } from '@temporalio/common';

import {
  fencingToken,
  lockTtlMs,
  type LockActivities,
  type LockRequest,
} from '../../contracts/engine/locks';
import { inertFaultPoints, type FaultPoints } from '../../runtime/faults/points';
import { LocksUnavailable, type LockStore } from './lock-store';

/** Told of every outage of Redis: runs then go on without isolation. */
export interface LockObserver {
  /** For every call that went unanswered: counted. */
  unavailable(operation: keyof LockActivities): void;
  /** Once an outage, at the first call that meets it: logged. */
  outageBegan(error: LocksUnavailable): void;
  outageEnded(): void;
}

/** Another owner is asked about again after about this long, or at the end of his lease if that comes sooner. */
const heldDelayMs = 250;

/**
 * The activities of `locks`. Redis gives isolation, never safety, so its absence never fails a run:
 * `acquireLock` answers without a token, and nothing is compared later; `renewLock` answers true, since the lease may
 * well stand, and if it does not, the fencing token decides; `releaseLock` leaves the lock to the end of its lease.
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

/** Answers `undefined` while Redis is away, and tells the observer when an outage begins and ends. */
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
  const jittered = heldDelayMs * (0.5 + Math.random()); // Those who wait must not come back together.
  const delayMs = Math.max(1, Math.round(Math.min(jittered, leaseLeftMs, lockTtlMs)));
  return ApplicationFailure.create({
    type: 'LockHeld',
    message: `Another transaction holds the lock of ${kind} ${id}.`,
    nextRetryDelay: delayMs,
  });
}
