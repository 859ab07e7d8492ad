-- Calls `use` with the entries of a stream from `start` to `stop`, few at a time, until they are enough for one script:
-- some milliseconds, for which everybody else waits. What it returns: how many, and whether those were all.
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
