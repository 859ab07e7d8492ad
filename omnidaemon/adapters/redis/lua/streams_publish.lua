-- KEYS: the root of the bus. ARGV: topic, task id and body of each task. Returns how many agents each reached.
local root = KEYS[1]
local streams_of, receivers = {}, {}
for at = 1, #ARGV, 3 do
    local topic = ARGV[at]
    local streams = streams_of[topic]
    if not streams then
        local agents = redis.call('HKEYS', root .. ':agents:' .. topic)
        streams = {agents = #agents}
        for _, agent in ipairs(agents) do
            streams[#streams + 1] = root .. ':queue:' .. topic .. ':' .. agent
        end
        if #agents == 0 then
            redis.call('SADD', root .. ':topics', topic)
            streams[1] = root .. ':waiting:' .. topic
        end
        streams_of[topic] = streams
    end
    for _, stream in ipairs(streams) do
        redis.call('XADD', stream, '*', 'id', ARGV[at + 1], 'task', ARGV[at + 2])
    end
    receivers[#receivers + 1] = streams.agents
end
return receivers
