-- The runs that an incarnation holds. KEYS[1]: the namespace's prefix. ARGV: the incarnation.
local P = KEYS[1]
local held = {}
for _, length in ipairs(redis.call('SMEMBERS', P .. 'lengths')) do
    local rows = redis.call('ZRANGE', P .. 'leases:' .. length, 0, -1, 'WITHSCORES')
    for i = 1, #rows, 2 do
        local agent, id = string.match(rows[i], '^([^/]*)/(.*)$')
        local record = redis.call('HGET', P .. 't:' .. id, 'r:' .. agent)
        if record and string.match(record, '^%a+\t%d+\t([^\t]*)\t') == ARGV[1] then
            local task = redis.call('HMGET', P .. 't:' .. id, 't', 'f', 'b')
            held[#held + 1] = {id, agent, rows[i + 1], record, task[1], task[2], task[3]}
        end
    end
end
return held
