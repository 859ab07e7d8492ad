-- KEYS: the root of the bus. ARGV: consumer, milliseconds, then topic, agent and id of each entry. Who comes second
-- gets nothing.
local root, consumer, idle, claimed = KEYS[1], ARGV[1], ARGV[2], {}
for at = 3, #ARGV, 3 do
    local queue = root .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1]
    local reply = redis.pcall('XCLAIM', queue, 'workers', consumer, idle, ARGV[at + 2])
    claimed[#claimed + 1] = reply.err and {} or reply
end
return claimed
