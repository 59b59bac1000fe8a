// Lua that Redis runs as one step. KEYS[1] is the lock: its value is the owner, its TTL the lease. Kept as strings: a
// .lua file would have to be copied into the build, and nobody notices when it is not.

/**
 * Takes the lock, or takes it again for its owner. ARGV: owner, lease in ms, keep time of the counter in s.
 * Answers {1, counter}, or {0, ms left of the other owner's lease}.
 *
 * KEYS[2] counts the grants and outlives the lock. It never lags behind the clock (seconds since 1970, 32 bits until
 * 2106), so a counter that is lost, by eviction or by a crash before its write was on disk, starts again above its old
 * value: a lock is granted less than once a second on average.
 */
export const acquireScript = `
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return { 0, redis.call('PTTL', KEYS[1]) }
end
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local counter = math.max(last + 1, tonumber(redis.call('TIME')[1]))
redis.call('SET', KEYS[2], string.format('%.0f', counter), 'EX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { 1, counter }
`;

/** Prolongs the lease of its owner. ARGV: owner, lease in ms. Answers 1, or 0: the lock is another's or nobody's. */
export const renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`;

/** Gives the lock back, if it is the owner's: a late release must not free its successor's. ARGV: owner. */
export const releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
`;
