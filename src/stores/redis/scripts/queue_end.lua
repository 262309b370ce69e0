-- Ends a try. KEYS: payloads, tries, in work, pausing (scored by until when), aside.
-- ARGV: id, number of the try, what follows: 'done', 'pause' or 'aside'; the pause (ms); most jobs kept aside.
-- Gives 0 when that try is not in work any more.
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] or redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then
    return 0
end
if ARGV[3] == 'pause' then
    local now = redis.call('TIME')
    redis.call('ZADD', KEYS[4], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[4], ARGV[1])
    return 1
end
if ARGV[3] == 'aside' then
    redis.call('LPUSH', KEYS[5], cmsgpack.pack({ ARGV[1], redis.call('HGET', KEYS[1], ARGV[1]) }))
    redis.call('LTRIM', KEYS[5], 0, ARGV[5] - 1)
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
