-- Hands out the oldest job of the first list that has one.
-- KEYS: payloads, tries, in work (scored by when), lists in their order. Gives id, payload, number of the try; or nothing.
local id
for list = 4, #KEYS do
    id = id or redis.call('RPOP', KEYS[list])
end
if not id then
    return false
end
local now = redis.call('TIME')
redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000), id)
local tried = redis.call('HINCRBY', KEYS[2], id, 1)
return { id, string.sub(redis.call('HGET', KEYS[1], id), 2), tostring(tried) }
