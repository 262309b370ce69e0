-- Grants a lock if nobody has it. KEYS: the lock, its fencing counter. ARGV: the token, the lease (ms).
-- Gives the fencing token, or 0 when somebody else has the lock.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
    return redis.call('GET', KEYS[2])
end
if holder then
    return '0'
end
-- At least the time: a counter that was lost with a server goes on above what it gave.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local fence = math.max(now_ms, tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
fence = string.format('%.0f', fence)
redis.call('SET', KEYS[2], fence)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return fence
