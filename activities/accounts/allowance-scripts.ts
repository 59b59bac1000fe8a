// Lua that Redis runs as one step. KEYS[1] is the marker of one effect, KEYS[2] the counter of its scope; the marker is
// read before the counter, so a retry of the act that took the last unit is answered as the first one was, not refused.
// A marker bears the states of the fence (acted, refused, undone, empty), and the generation that it took from.

const mark = `
local function mark(state, gen, quantity, keepMs)
  redis.call('HSET', KEYS[1], 'state', state, 'gen', gen, 'quantity', quantity)
  redis.call('PEXPIRE', KEYS[1], keepMs)
end
`;

/**
 * Takes from the allowance. ARGV: quantity, keep time in ms. Answers with the marker's state, `acted` and `refused`
 * also for a repetition; or `rebuild`: there is no counter, and nothing was marked.
 */
export const takeScript = `${mark}
local state = redis.call('HGET', KEYS[1], 'state')
if state then
  return state
end
local counter = redis.call('HMGET', KEYS[2], 'gen', 'left')
if not counter[1] then
  return 'rebuild'
end
if tonumber(counter[2]) < tonumber(ARGV[1]) then
  mark('refused', counter[1], ARGV[1], ARGV[2])
  return 'refused'
end
redis.call('HINCRBY', KEYS[2], 'left', '-' .. ARGV[1])
mark('acted', counter[1], ARGV[1], ARGV[2])
return 'acted'
`;

/**
 * Gives back what the effect took, into the very counter that it was taken from: a rebuilt one, of another generation,
 * has counted it by itself. ARGV: keep time in ms. Answers with the state that the marker had before; where there was
 * none it is `empty` from now on, and a late act takes nothing.
 */
export const giveBackScript = `${mark}
local marker = redis.call('HMGET', KEYS[1], 'state', 'gen', 'quantity')
if not marker[1] then
  mark('empty', '', '0', ARGV[1])
  return 'none'
end
if marker[1] == 'acted' then
  if redis.call('HGET', KEYS[2], 'gen') == marker[2] then
    redis.call('HINCRBY', KEYS[2], 'left', marker[3])
  end
  mark('undone', marker[2], marker[3], ARGV[1])
end
return marker[1]
`;

/**
 * Makes the counter where there is none. KEYS[1] is the counter. ARGV: what is left, the whole allowance, keep time in
 * ms. Its generation is the time in microseconds: never that of a counter that was lost. Answers 1, or 0: there is one.
 */
export const rebuildScript = `
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local now = redis.call('TIME')
local gen = string.format('%s%06d', now[1], tonumber(now[2]))
redis.call('HSET', KEYS[1], 'gen', gen, 'left', ARGV[1], 'max', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;
