-- Puts a value unless one that was born later is there.
-- KEYS[1] the value. ARGV: the value with its header, its birth, its time to live (ms). The header: cache.rs.
local head = redis.call('GETRANGE', KEYS[1], 0, 16)
if #head == 17 and string.byte(head) == 1 and struct.unpack('>I8', head, 10) > tonumber(ARGV[2]) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
