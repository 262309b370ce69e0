-- Puts a body among those of its birth, in place of older ones; nothing happens when something younger, or the same body,
-- is there.
-- KEYS: the bodies, the gear. ARGV: the field, the body, its birth (unix us), the time to live of all of them (ms).
-- Gives {0} when something younger was there, {1} when it was put, {2, body} when another process was first.
local born = tonumber(ARGV[3])
local head = redis.call('GETRANGE', KEYS[2], 0, 16)
if #head == 17 and string.byte(head) == 1 and struct.unpack('>I8', head, 10) > born then
    return { 0, false }
end
local held = tonumber(redis.call('HGET', KEYS[1], 'born') or 0)
if held > born then
    return { 0, false }
end
if held == born then
    local first = redis.call('HGET', KEYS[1], ARGV[1])
    if first then
        return { 2, first }
    end
else
    redis.call('UNLINK', KEYS[1])
    redis.call('HSET', KEYS[1], 'born', ARGV[3])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return { 1, false }
