-- Takes a job in, unless one with its id is known. A known one that waits with low priority gets the high one it is
-- offered with. KEYS: payloads, the list of its priority, the list of low priority.
-- ARGV: id, payload with the letter of its priority before it, most jobs queued in that list.
local known = redis.call('HGET', KEYS[1], ARGV[1])
local promoted = known and string.sub(known, 1, 1) == 'L' and string.sub(ARGV[2], 1, 1) == 'H'
    and redis.call('LPOS', KEYS[3], ARGV[1])
if known and not promoted then
    return 'known'
end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[3]) then
    return 'full'
end
if promoted then
    redis.call('LREM', KEYS[3], 1, ARGV[1])
    redis.call('HSET', KEYS[1], ARGV[1], 'H' .. string.sub(known, 2))
    redis.call('LPUSH', KEYS[2], ARGV[1])
    return 'known'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('LPUSH', KEYS[2], ARGV[1])
return 'taken'
