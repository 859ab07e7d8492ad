-- KEYS: the root of the bus. ARGV: a new epoch, milliseconds, then topic, agent and a count for each subscription.
-- Returns the server's epoch, which is new when its data are, and for each the entries that were received and not
-- acked for so long; for a missing queue whether its agent is declared.
--! is_missing
local root, idle = KEYS[1], ARGV[2]
redis.call('SET', root .. ':epoch', ARGV[1], 'NX')
local rows = {}
for at = 3, #ARGV, 3 do
    local topic, agent, most = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local queue = root .. ':queue:' .. topic .. ':' .. agent
    local pending = redis.pcall('XPENDING', queue, 'workers', 'IDLE', idle, '-', '+', most)
    if is_missing(pending) then
        rows[#rows + 1] = redis.call('HEXISTS', root .. ':agents:' .. topic, agent)
    elseif pending.err then
        return pending
    else
        rows[#rows + 1] = pending
    end
end
return {redis.call('GET', root .. ':epoch'), rows}
