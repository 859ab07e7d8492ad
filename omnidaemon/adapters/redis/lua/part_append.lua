-- Bring tasks of one topic to the queue of each of its agents; how many agents there are. It needs `root`, that of the
-- bus.
local streams = {}

local function append(topic, ids, bodies)
    local found = streams[topic]
    if not found then
        found = call('HKEYS', root .. ':agents:' .. topic)
        for at = 1, #found do found[at] = root .. ':queue:' .. topic .. ':' .. found[at] end
        if #found == 0 then
            call('SADD', root .. ':topics', topic)
            found = {root .. ':waiting:' .. topic, reaches_nobody = true}
        end
        streams[topic] = found
    end
    for i = 1, #found do
        for at = 1, #ids do call('XADD', found[i], '*', 'id', ids[at], 'task', bodies[at]) end
    end
    return found.reaches_nobody and 0 or #found
end
