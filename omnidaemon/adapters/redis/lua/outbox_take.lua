-- Hold entries of the outbox that are due. KEYS[1]: the namespace's prefix. ARGV: for how many seconds; then for each
-- kind its name and how many. Answers {seconds, microseconds, entries as {id, due, field, value, …}, seconds until the
-- next, or nothing}.
local P = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local until_ = string.format('%.0f', now + tonumber(ARGV[1]) * 1000000)
local entries, next_due = {}, nil
for i = 2, #ARGV, 2 do
    local due = P .. 'outbox:due:' .. ARGV[i]
    local ids = redis.call('ZRANGEBYSCORE', due, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[i + 1])
    for _, id in ipairs(ids) do
        redis.call('ZADD', due, until_, id)
        redis.call('HINCRBY', P .. 'o:' .. id, 'f', 1)
        entries[#entries + 1] = {id, until_, redis.call('HGETALL', P .. 'o:' .. id)}
    end
    local first = tonumber(redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2])
    if first and (not next_due or first < next_due) then next_due = first end
end
if not next_due then return {time[1], time[2], entries} end
return {time[1], time[2], entries, string.format('%.6f', math.max(0, (next_due - now) / 1000000))}
