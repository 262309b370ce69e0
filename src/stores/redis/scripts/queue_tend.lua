-- Queues again what is due, at most a batch of each kind, before what is queued already.
-- KEYS: payloads, tries, in work, pausing, aside, the list of high priority, that of low.
-- ARGV: longest time in work (ms), most tries, most jobs kept aside, most jobs of a batch.
-- Gives how many were retried, redriven, put aside.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)

local function queue(id)
    local payload = redis.call('HGET', KEYS[1], id)
    redis.call('RPUSH', string.sub(payload, 1, 1) == 'H' and KEYS[6] or KEYS[7], id)
end

local due = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now_ms, 'LIMIT', 0, ARGV[4])
for _, id in ipairs(due) do
    redis.call('ZREM', KEYS[4], id)
    queue(id)
end
local redriven, aside = 0, 0
local overdue = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms - ARGV[1], 'LIMIT', 0, ARGV[4])
for _, id in ipairs(overdue) do
    redis.call('ZREM', KEYS[3], id)
    if tonumber(redis.call('HGET', KEYS[2], id)) >= tonumber(ARGV[2]) then
        redis.call('LPUSH', KEYS[5], cmsgpack.pack({ id, redis.call('HGET', KEYS[1], id) }))
        redis.call('LTRIM', KEYS[5], 0, ARGV[3] - 1)
        redis.call('HDEL', KEYS[1], id)
        redis.call('HDEL', KEYS[2], id)
        aside = aside + 1
    else
        queue(id)
        redriven = redriven + 1
    end
end
return { #due, redriven, aside }
