-- KEYS: the root of the bus. ARGV: topics. Returns topic, agent, waiting and held of each queue.
local root, rows = KEYS[1], {}
for _, topic in ipairs(ARGV) do
    local waiting = redis.call('XLEN', root .. ':waiting:' .. topic)
    if waiting > 0 then rows[#rows + 1] = {topic, '', waiting, 0} end
    for _, agent in ipairs(redis.call('HKEYS', root .. ':agents:' .. topic)) do
        local queue, held = root .. ':queue:' .. topic .. ':' .. agent, 0
        local pending = redis.pcall('XPENDING', queue, 'workers')
        if not pending.err then
            for _, consumer in ipairs(pending[4] or {}) do
                if consumer[1] ~= '-' then held = held + tonumber(consumer[2]) end
            end
        end
        rows[#rows + 1] = {topic, agent, redis.call('XLEN', queue) - held, held}
    end
end
return rows
