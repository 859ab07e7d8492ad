-- KEYS: the root of the bus. ARGV: topic, agent, latest entry, milliseconds. Drops some of what no inbox holds;
-- returns how many, and 1 at the end.
--! some

local queue, latest, idle = KEYS[1] .. ':queue:' .. ARGV[1] .. ':' .. ARGV[2], ARGV[3], ARGV[4]
local groups = redis.pcall('XINFO', 'GROUPS', queue)
if groups.err or not groups[1] then return {0, 1} end
local start = '-'
for at = 1, #groups[1], 2 do
    if groups[1][at] == 'last-delivered-id' then start = '(' .. groups[1][at + 1] end
end
local ids = {}
for _, row in ipairs(redis.call('XPENDING', queue, 'workers', 'IDLE', idle, '-', latest, 500)) do
    ids[#ids + 1] = row[1]
end
if #ids > 0 then
    redis.call('XACK', queue, 'workers', unpack(ids))
    return {redis.call('XDEL', queue, unpack(ids)), 0}
end
local count, is_all = some(queue, start, latest, 1, function() end)
return {count, is_all and 1 or 0}
