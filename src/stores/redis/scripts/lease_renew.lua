-- Renews a lease that is still ours. KEYS[1] the lease. ARGV: our token, the lease (ms). Gives whether it was.
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
