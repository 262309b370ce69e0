-- Puts a body among those of its birth, in place of older ones; nothing happens when something younger is there.
-- KEYS: the bodies, the gear. ARGV: the field, the body, its birth (unix us), the time to live of all of them (ms).
local born = tonumber(ARGV[3])
local head = redis.call('GETRANGE', KEYS[2], 0, 16)
if #head == 17 and string.byte(head) == 1 and struct.unpack('>I8', head, 10) > born then
    return 0
end
local held = tonumber(redis.call('HGET', KEYS[1], 'born') or 0)
if held > born then
    return 0
end
if held < born then
    redis.call('UNLINK', KEYS[1])
    redis.call('HSET', KEYS[1], 'born', ARGV[3])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
