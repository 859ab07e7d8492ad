-- KEYS: the root of the bus. ARGV: for each queue its topic, its agent, how many entries, and their ids.
local call = redis.call
--! forget

local at = 1
while at < #ARGV do
    local first, last = at + 3, at + 2 + tonumber(ARGV[at + 2])
    forget(KEYS[1], ARGV[at], ARGV[at + 1], first, last)
    at = last + 1
end
return 1
