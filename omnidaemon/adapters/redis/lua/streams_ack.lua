-- KEYS: the root of the bus. ARGV: topic, agent and id of each entry.
for at = 1, #ARGV, 3 do
    local queue = KEYS[1] .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1]
    redis.call('XACK', queue, 'workers', ARGV[at + 2])
    redis.call('XDEL', queue, ARGV[at + 2])
end
return 1
