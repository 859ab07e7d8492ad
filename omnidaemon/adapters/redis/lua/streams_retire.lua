-- KEYS: the root of the bus. ARGV: topic, agent.
local root, topic, agent = KEYS[1], ARGV[1], ARGV[2]
redis.call('HDEL', root .. ':agents:' .. topic, agent)
redis.call('UNLINK', root .. ':queue:' .. topic .. ':' .. agent)
if redis.call('EXISTS', root .. ':agents:' .. topic, root .. ':waiting:' .. topic) == 0 then
    redis.call('SREM', root .. ':topics', topic)
end
return 1
