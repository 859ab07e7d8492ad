-- Drop the journal's entries from before some time, the oldest first, until so many events are gone.
-- KEYS[1]: the namespace's prefix. ARGV: the time in microseconds, how many. Answers how many are gone; with the last
-- entry, these may be more.
local P = KEYS[1]
local before, most, gone = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
while gone < most do
    local entry = redis.call('XRANGE', P .. 'journal', '-', '+', 'COUNT', 1)[1]
    -- the terms are those of entries_of()
    if not entry or cjson.decode(entry[2][2])[6] >= before then return gone end
    local ids = cjson.decode(entry[2][4])
    for _, id in ipairs(ids) do redis.call('LPOP', P .. 'journal:' .. id) end
    local first = tonumber(string.match(entry[1], '^%d+'))
    redis.call('XTRIM', P .. 'journal', 'MINID', (first + 1) .. '-0')
    gone = gone + #ids
end
return gone
