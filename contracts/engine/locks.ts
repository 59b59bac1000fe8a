import type { BusinessId, Gid } from './ids';

/**
 * Kind of a lock, such as `customer`. Each flow declares its kinds (`locks`); flows with one kind exclude each other.
 * Locks give isolation only: money and stock are safe without them.
 */
export type LockKind = string;
/** Part of a key in Redis. With a colon in it, two locks could have the same key. */
export const lockKindPattern = /^[a-z][A-Za-z0-9-]{0,31}$/;

/** Lease of a lock. It is renewed after a third, so two renewals may fail before the lock is lost. */
export const lockTtlMs = 30_000;
export const lockRenewalMs = lockTtlMs / 3;

export interface LockRequest {
  readonly kind: LockKind;
  readonly id: BusinessId;
  /** Owner of the lock. */
  readonly gid: Gid;
}
/** `token`: digits, larger than in every earlier grant. `null`: Redis is away; the flow continues without isolation. */
export interface LockGrant {
  readonly token: string | null;
}

/** Locks in Redis, one request a call: the batch lane takes no locks. */
export interface LockActivities {
  /**
   * Takes the lock, or takes it again for its owner (under a new token).
   * @throws retryable LockHeld with a delay while another transaction has it.
   */
  acquireLock(request: LockRequest): Promise<LockGrant>;
  /** Prolongs the lease. `false`: the lock is lost, and the fencing token decides what may still be written. */
  renewLock(request: LockRequest): Promise<boolean>;
  /** Gives the lock back if it is still ours. Safe to repeat; a lost answer costs the next owner one lease. */
  releaseLock(request: LockRequest): Promise<void>;
}

/**
 * The fencing token of one lock grant: larger than that of every earlier grant, also across failovers.
 * `token = epoch · 2³² + counter`, the layout of ZooKeeper's zxid. Why a lease needs one: M. Kleppmann, "How to do
 * distributed locking" (2016). The order holds only because epochs never fall: a region is promoted, never rolled back.
 *
 * @param epoch promotions of the region so far, 0 … 2³²−1.
 * @param counter grants in this epoch, 0 … 2³²−1.
 * @returns 64 bits without sign; BIGINT UNSIGNED in SQL, digits as a string in JSON.
 * @throws RangeError beyond these bounds: after an overflow a former holder could write again.
 */
export function fencingToken(epoch: number, counter: number): bigint {
  const max = 2 ** 32 - 1;
  for (const part of [epoch, counter]) {
    if (!Number.isInteger(part) || part < 0 || part > max) {
      throw new RangeError(`A part of a fencing token must be a whole number from 0 to ${max}.`);
    }
  }
  return (BigInt(epoch) << 32n) | BigInt(counter);
}
