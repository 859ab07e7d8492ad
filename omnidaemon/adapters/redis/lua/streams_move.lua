-- KEYS: the root of the bus. ARGV: topic. Moves some of what waits to the agents that shall have it; 1 when that was
-- all.
--! some

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
