-- KEYS: the root of the bus. ARGV: for each queue its topic, its agent, how many entries, and their ids.
local at = 1
while at < #ARGV do
    local queue, count = KEYS[1] .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1], tonumber(ARGV[at + 2])
    local first, last = at + 3, at + 2 + count
    redis.call('XACK', queue, 'workers', unpack(ARGV, first, last))
    redis.call('XDEL', queue, unpack(ARGV, first, last))
    at = last + 1
end
return 1
