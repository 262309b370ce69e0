-- One look at a flight: what became of the one waited for, or whose turn it is.
-- KEYS: the lease, the outcome waited for. ARGV: our token, the lease (ms).
-- Gives {'landed', outcome}, {'lead'} or {'held', token of the leader}.
local outcome = redis.call('GET', KEYS[2])
if outcome then
    return { 'landed', outcome }
end
local leader = redis.call('GET', KEYS[1])
if leader then
    return { 'held', leader }
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { 'lead' }
