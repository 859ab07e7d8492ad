-- KEYS: the root of the bus. ARGV: topic, agent, latest entry, milliseconds. Drops some of what no inbox holds;
-- returns how many, and 1 at the end.

-- Calls `use` with the entries of a stream after `start`, few at a time, until they are enough for one script: some
-- milliseconds, for which everybody else waits. What it returns: how many, and whether those were all.
local function some(stream, start, stop, cost, use)
    local count, bytes = 0, 0
    while count * cost < 500 and bytes * cost < 4194304 do
        local entries = redis.call('XRANGE', stream, start, stop, 'COUNT', 20)
        if #entries == 0 then return count, true end
        local ids = {}
        for _, entry in ipairs(entries) do
            ids[#ids + 1] = entry[1]
            for _, value in ipairs(entry[2]) do bytes = bytes + #value end
        end
        use(entries)
        redis.call('XDEL', stream, unpack(ids))
        count = count + #entries
    end
    return count, false
end

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
