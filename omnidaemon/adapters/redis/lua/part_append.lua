-- Bring tasks of one topic to the queue of each of its agents; how many these are. It needs `root`, that of the bus.
local streams_of = {}

local function streams(topic)
    local found = streams_of[topic]
    if not found then
        local agents = redis.call('HKEYS', root .. ':agents:' .. topic)
        found = {agents = #agents}
        for at, agent in ipairs(agents) do found[at] = root .. ':queue:' .. topic .. ':' .. agent end
        if #agents == 0 then
            redis.call('SADD', root .. ':topics', topic)
            found[1] = root .. ':waiting:' .. topic
        end
        streams_of[topic] = found
    end
    return found
end

local function append(id, topic, body)
    local found = streams(topic)
    for _, stream in ipairs(found) do redis.call('XADD', stream, '*', 'id', id, 'task', body) end
    return found.agents
end
