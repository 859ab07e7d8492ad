-- KEYS: the root of the bus. ARGV: topic, id and body of each task. Returns how many agents each reached.
local root = KEYS[1]
local call = redis.call
--! append

local receivers = {}
for at = 1, #ARGV, 3 do receivers[#receivers + 1] = append(ARGV[at], {ARGV[at + 1]}, {ARGV[at + 2]}) end
return receivers
