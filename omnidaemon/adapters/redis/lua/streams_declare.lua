-- KEYS: the root of the bus. ARGV: topic, then name and start of each agent. One that gets the backlog alone has the
-- whole stream, whatever its length.
local root, topic = KEYS[1], ARGV[1]
local agents, waiting = root .. ':agents:' .. topic, root .. ':waiting:' .. topic
local is_first = redis.call('HLEN', agents) == 0
local heirs = {}
redis.call('SADD', root .. ':topics', topic)
for at = 2, #ARGV, 2 do
    local is_heir = is_first and ARGV[at + 1] == 'backlog'
    redis.call('HSETNX', agents, ARGV[at], is_heir and 'awaiting' or 'ready')
    if is_heir then heirs[#heirs + 1] = ARGV[at] end
end
if #heirs == 1 and redis.call('EXISTS', waiting) == 1 then
    local queue = root .. ':queue:' .. topic .. ':' .. heirs[1]
    if redis.call('EXISTS', queue) == 0 then redis.call('RENAME', waiting, queue) end
end
for at = 2, #ARGV, 2 do
    local queue = root .. ':queue:' .. topic .. ':' .. ARGV[at]
    local made = redis.pcall('XGROUP', 'CREATE', queue, 'workers', '0', 'MKSTREAM')
    if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
end
return 1
