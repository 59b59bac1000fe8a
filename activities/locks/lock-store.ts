import { lockTtlMs, type LockRequest } from '../../contracts/engine/locks';
import { isOurMistake, type RedisCommands } from '../../runtime/redis-premises';
import { acquireScript, releaseScript, renewScript } from './lock-scripts';

/** Redis did not answer in time, or cannot serve now. Whether the command took effect is unknown. */
export class LocksUnavailable extends Error {
  override readonly name = 'LocksUnavailable';
}

/** Leases in Redis, one a lock. Every method throws `LocksUnavailable` when Redis is away; none tries twice. */
export interface LockStore {
  /** @returns the number of this grant, larger than that of every earlier one; or what is left of the other's lease. */
  acquire(
    request: LockRequest,
  ): Promise<
    | { readonly held: false; readonly counter: number }
    | { readonly held: true; readonly leaseLeftMs: number }
  >;
  /** @returns false: the lease is lost. */
  renew(request: LockRequest): Promise<boolean>;
  release(request: LockRequest): Promise<void>;
}

/**
 * Keep time of a lock's counter. It may be forgotten once the clock has surely passed it: a lock would have to be
 * granted 604,800 times more often than once a second to be ahead by that much.
 */
const counterKeepSeconds = 7 * 24 * 3_600;

/** @param ttlMs the lease; another value than the contract's only in tests. */
export function createLockStore({
  redis,
  ttlMs = lockTtlMs,
}: {
  readonly redis: Pick<RedisCommands, 'eval'>;
  readonly ttlMs?: number;
}): LockStore {
  const run = async (
    script: string,
    keys: readonly string[],
    ...args: readonly (string | number)[]
  ) => {
    try {
      return await redis.eval(script, keys.length, ...keys, ...args);
    } catch (error) {
      if (isOurMistake(error)) throw error;
      throw new LocksUnavailable('Redis is away.', { cause: error });
    }
  };
  return {
    async acquire(request) {
      const keys = [lockKeyOf(request), counterKeyOf(request)];
      const answer = await run(acquireScript, keys, request.gid, ttlMs, counterKeepSeconds);
      const [granted, value] = pairOf(answer);
      return granted === 1
        ? { held: false, counter: value }
        : { held: true, leaseLeftMs: Math.max(value, 0) };
    },
    renew: async (request) =>
      (await run(renewScript, [lockKeyOf(request)], request.gid, ttlMs)) === 1,
    release: async (request) => {
      await run(releaseScript, [lockKeyOf(request)], request.gid);
    },
  };
}

// The braces keep both keys of a lock in one slot of a Redis cluster.
const lockKeyOf = ({ kind, id }: LockRequest): string => `lock:{${kind}:${id}}`;
const counterKeyOf = ({ kind, id }: LockRequest): string => `lock-grants:{${kind}:${id}}`;

function pairOf(answer: unknown): readonly [number, number] {
  if (Array.isArray(answer)) {
    const [first, second] = answer as readonly unknown[];
    if (typeof first === 'number' && typeof second === 'number') return [first, second];
  }
  throw new TypeError('Unexpected answer of the lock script.');
}
