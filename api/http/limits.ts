import type { RedisCommands } from '../../runtime/redis-premises';
import { Problem } from './errors';

/** So many a second on average, and this many at once after a pause. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}
/** Classes of requests that are limited by tenant. */
export type LimitClass = 'starts' | 'reads' | 'operations';

export interface LimitDecision {
  readonly isAllowed: boolean;
  /** Requests that would pass at once now. */
  readonly remaining: number;
  /** Milliseconds until the next one passes; 0 if one passes now. */
  readonly retryAfterMs: number;
}

/**
 * GCRA (ITU-T I.371): one number a key, the *theoretical arrival time* of the next request at an even pace. A request
 * passes if it comes at most `burst − 1` intervals before that.
 *
 * @param dueAt microseconds; 0 for a key that has not been seen.
 * @returns the decision, and the time to keep.
 */
export function gcra(dueAt: number, now: number, { perSecond, burst }: Rate) {
  const interval = 1_000_000 / perSecond;
  const next = Math.max(dueAt, now) + interval;
  const passesAt = next - burst * interval;
  const isAllowed = passesAt <= now;
  const kept = isAllowed ? next : dueAt;
  const decision: LimitDecision = {
    isAllowed,
    remaining: Math.max(0, Math.floor((now + burst * interval - Math.max(kept, now)) / interval)),
    retryAfterMs: isAllowed ? 0 : Math.ceil((passesAt - now) / 1_000),
  };
  return { decision, dueAt: kept };
}

/** `gcra` inside Redis and by its clock, so that all processes count together. Returns allowed, remaining, retry after. */
const gcraScript = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, burst = 1000000 / ARGV[1], tonumber(ARGV[2])
local due = tonumber(redis.call('GET', KEYS[1]) or 0)
local next = math.max(due, now) + interval
local passes_at = next - burst * interval
local allowed = passes_at <= now
local kept = due
if allowed then
  kept = next
  redis.call('SET', KEYS[1], string.format('%.0f', kept), 'PX', math.ceil((kept - now) / 1000) + 1000)
end
local remaining = math.max(0, math.floor((now + burst * interval - math.max(kept, now)) / interval))
local retry_after = allowed and 0 or math.ceil((passes_at - now) / 1000)
return { allowed and 1 or 0, remaining, retry_after }
`;

/** Share of a rate that one process lets through while it cannot ask Redis: never open, never shut. */
const alone = 0.25;
/** After Redis failed to answer it is left alone this long, or each request would wait for its timeout. */
const redisPauseMs = 1_000;
const keysMax = 10_000;

/** A limiter in this process: exact for what it sees, and bounded in memory. */
export function createLocalLimiter(now: () => number = () => performance.now() * 1_000) {
  const dueAt = new Map<string, number>();
  return (key: string, rate: Rate): LimitDecision => {
    const next = gcra(dueAt.get(key) ?? 0, now(), rate);
    dueAt.delete(key);
    dueAt.set(key, next.dueAt);
    const [oldest] = dueAt.keys();
    if (dueAt.size > keysMax && oldest !== undefined) dueAt.delete(oldest);
    return next.decision;
  };
}

/** Limits by tenant and class over all processes; by this process alone while Redis is away. */
export function createLimits(
  redis: Pick<RedisCommands, 'eval'>,
  rates: Readonly<Record<LimitClass, Rate>>,
) {
  const local = createLocalLimiter();
  let aloneUntil = 0;

  async function shared(key: string, { perSecond, burst }: Rate): Promise<LimitDecision> {
    const answer = await redis.eval(gcraScript, 1, `accord:limit:${key}`, perSecond, burst);
    const [allowed, remaining, retryAfterMs] = answer as readonly [number, number, number]; // As the script returns it.
    return { isAllowed: allowed === 1, remaining, retryAfterMs };
  }

  async function decide(key: string, rate: Rate): Promise<LimitDecision> {
    if (performance.now() >= aloneUntil) {
      try {
        return await shared(key, rate);
      } catch {
        aloneUntil = performance.now() + redisPauseMs;
      }
    }
    return local(key, {
      perSecond: Math.max(1, rate.perSecond * alone),
      burst: Math.max(1, Math.floor(rate.burst * alone)),
    });
  }

  return {
    /** @returns headers for the answer. @throws Problem `rate_limited`. */
    async take(name: LimitClass, tenant: string): Promise<Readonly<Record<string, string>>> {
      const rate = rates[name];
      const decision = await decide(`${tenant}:${name}`, rate);
      const headers = limitHeaders(name, rate, decision);
      if (!decision.isAllowed) throw tooMany(decision, headers);
      return headers;
    },
    /** Limits are counted by this process alone. */
    isAlone: (): boolean => performance.now() < aloneUntil,
  };
}
export type Limits = ReturnType<typeof createLimits>;

/** Guards the look-up of keys: an address that keeps failing is refused before its key is looked at. */
export function createAddressGuard(rate: Rate) {
  const limiter = createLocalLimiter();
  const refusedUntil = new Map<string, number>();
  return {
    /** @throws Problem `rate_limited`. */
    check(address: string): void {
      const until = refusedUntil.get(address) ?? 0;
      if (until > performance.now()) {
        throw tooMany(
          { isAllowed: false, remaining: 0, retryAfterMs: until - performance.now() },
          {},
        );
      }
      refusedUntil.delete(address);
    },
    countFailure(address: string): void {
      const { isAllowed, retryAfterMs } = limiter(address, rate);
      if (isAllowed) return;
      refusedUntil.set(address, performance.now() + retryAfterMs);
      const [oldest] = refusedUntil.keys();
      if (refusedUntil.size > keysMax && oldest !== undefined) refusedUntil.delete(oldest);
    },
  };
}

/** Probes of one address and process: more than any balancer asks, and nothing to a server. */
const probeRate: Rate = { perSecond: 50, burst: 100 };

/** Limits probes by address, in this process alone: they are asked while Redis is away, too. */
export function createProbeGuard(rate: Rate = probeRate) {
  const limiter = createLocalLimiter();
  return {
    /** @throws Problem `rate_limited`. */
    check(address: string): void {
      const decision = limiter(address, rate);
      if (!decision.isAllowed) throw tooMany(decision, {});
    },
  };
}

function tooMany(decision: LimitDecision, headers: Readonly<Record<string, string>>): Problem {
  const retryAfterSeconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
  return new Problem('rate_limited', { retryAfterSeconds, headers });
}

/** Headers of draft-ietf-httpapi-ratelimit-headers-10. */
const limitHeaders = (name: LimitClass, { perSecond }: Rate, { remaining }: LimitDecision) => ({
  'ratelimit-policy': `"${name}";q=${perSecond};w=1`,
  ratelimit: `"${name}";r=${remaining};t=1`,
});
