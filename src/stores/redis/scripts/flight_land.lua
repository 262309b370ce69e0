-- Ends a flight: leaves its outcome to those who wait for it and gives the lease up if it is still ours.
-- KEYS: the lease, the outcome. ARGV: our token, how long the outcome stays (ms), the outcome; without one, nothing is left.
if ARGV[3] then
    redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return 1
