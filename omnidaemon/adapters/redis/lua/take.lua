-- Hold delayed tasks that are due. KEYS[1]: the namespace's prefix. ARGV: how many, for how many seconds.
-- Answers {tasks as {id, topic, flaw, body}, seconds until the next, or nothing}.
local P = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local schedules = P .. 'schedules'
local ids = redis.call('ZRANGEBYSCORE', schedules, '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
local until_ = string.format('%.0f', now + tonumber(ARGV[2]) * 1000000)
local tasks = {}
for _, id in ipairs(ids) do
    redis.call('ZADD', schedules, until_, id)
    local stored = redis.call('HMGET', P .. 't:' .. id, 't', 'f', 'b')
    tasks[#tasks + 1] = {id, stored[1], stored[2], stored[3]}
end
local first = redis.call('ZRANGE', schedules, 0, 0, 'WITHSCORES')
if not first[2] then return {tasks} end
return {tasks, string.format('%.6f', math.max(0, (tonumber(first[2]) - now) / 1000000))}
