-- KEYS: the root of the bus. ARGV: topic. Moves some of what waits to the agents that shall have it; 1 when that was
-- all.

-- Calls `use` with the entries of a stream after `start`, few at a time, until they are enough for one script: some
-- milliseconds, for which everybody else waits. What it returns: how many, and whether those were all.
local function some(stream, start, stop, cost, use)
    local count, bytes = 0, 0
    while count * cost < 500 and bytes * cost < 4194304 do
        local entries = redis.call('XRANGE', stream, start, stop, 'COUNT', 20)
        if #entries == 0 then return count, true end
        local ids = {}
        for _, entry in ipairs(entries) do
            ids[#ids + 1] = entry[1]
            for _, value in ipairs(entry[2]) do bytes = bytes + #value end
        end
        use(entries)
        redis.call('XDEL', stream, unpack(ids))
        count = count + #entries
    end
    return count, false
end

local root, topic = KEYS[1], ARGV[1]
local agents, waiting = root .. ':agents:' .. topic, root .. ':waiting:' .. topic
local heirs, queues = {}, {}
local states = redis.call('HGETALL', agents)
for at = 1, #states, 2 do
    if states[at + 1] == 'awaiting' then
        heirs[#heirs + 1] = states[at]
        queues[#queues + 1] = root .. ':queue:' .. topic .. ':' .. states[at]
    end
end
if #heirs == 0 then return 1 end
local _, is_all = some(waiting, '-', '+', #heirs, function(entries)
    for _, entry in ipairs(entries) do
        for _, queue in ipairs(queues) do redis.call('XADD', queue, '*', unpack(entry[2])) end
    end
end)
if not is_all then return 0 end
redis.call('DEL', waiting)
for _, heir in ipairs(heirs) do redis.call('HSET', agents, heir, 'ready') end
return 1
