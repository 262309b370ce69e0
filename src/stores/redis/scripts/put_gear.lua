-- Puts gear unless younger gear is there, and drops the bodies that were made of older gear.
-- KEYS: the gear, the bodies. ARGV: the gear with its header, its birth (unix us), its time to live (ms).
-- The header: cache.rs; the bodies: bodies.rs.
local born = tonumber(ARGV[2])
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if #head == 17 and string.byte(head) == 1 and struct.unpack('>I8', head, 10) > born then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
local held = redis.call('HGET', KEYS[2], 'born')
if held and tonumber(held) < born then
    redis.call('UNLINK', KEYS[2])
end
return 1
