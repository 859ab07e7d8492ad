-- KEYS: the root of the bus. ARGV: topic, task id and body of each task. Returns how many agents each reached: those of
-- whom a worker listens just now.
local root = KEYS[1]
local agents_of, receivers = {}, {}
for at = 1, #ARGV, 3 do
    local topic = ARGV[at]
    agents_of[topic] = agents_of[topic] or redis.call('SMEMBERS', root .. ':agents:' .. topic)
    local count = 0
    for _, agent in ipairs(agents_of[topic]) do
        if redis.call('PUBLISH', root .. ':to:' .. topic .. ':' .. agent, ARGV[at + 2]) > 0 then count = count + 1 end
    end
    receivers[#receivers + 1] = count
end
return receivers
