-- KEYS: the root of the bus. ARGV: consumer, then topic, agent and credit of each subscription. Returns the entries of
-- each, 0 for a missing queue.
--! is_missing
local root, consumer, taken = KEYS[1], ARGV[1], {}
for at = 2, #ARGV, 3 do
    local queue = root .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1]
    local reply = redis.pcall(
        'XREADGROUP', 'GROUP', 'workers', consumer, 'COUNT', ARGV[at + 2], 'STREAMS', queue, '>')
    if is_missing(reply) then
        taken[#taken + 1] = 0
    elseif type(reply) == 'table' and reply.err then
        return reply
    else
        taken[#taken + 1] = reply and reply[1] and reply[1][2] or {}
    end
end
return taken
