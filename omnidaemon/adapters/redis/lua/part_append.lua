-- Bring tasks of one topic to the queue of each of its agents; how many agents there are. It needs `root`, that of the
-- bus.
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

local function append(topic, ids, bodies)
    local found = streams(topic)
    for _, stream in ipairs(found) do
        for at, id in ipairs(ids) do redis.call('XADD', stream, '*', 'id', id, 'task', bodies[at]) end
    end
    return found.agents
end
