-- KEYS: the root of the bus. ARGV: topic. Drops what waits for its first agent; returns how many those were, and each
-- agent's latest entry.
local root, topic = KEYS[1], ARGV[1]
local edges = {}
for _, agent in ipairs(redis.call('HKEYS', root .. ':agents:' .. topic)) do
    local queue = root .. ':queue:' .. topic .. ':' .. agent
    local last = redis.pcall('XREVRANGE', queue, '+', '-', 'COUNT', 1)
    if last[1] then edges[#edges + 1] = {agent, last[1][1]} end
end
local waiting = root .. ':waiting:' .. topic
local dropped = redis.call('XLEN', waiting)
redis.call('UNLINK', waiting)
if redis.call('EXISTS', root .. ':agents:' .. topic) == 0 then redis.call('SREM', root .. ':topics', topic) end
return {dropped, edges}
