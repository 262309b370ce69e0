-- Takes a job in, unless one with its id is known. KEYS: payloads, the list of its priority.
-- ARGV: id, payload with the letter of its priority before it, most jobs queued in that list.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    return 'known'
end
if redis.call('LLEN', KEYS[2]) >= tonumber(ARGV[3]) then
    return 'full'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('LPUSH', KEYS[2], ARGV[1])
return 'taken'
