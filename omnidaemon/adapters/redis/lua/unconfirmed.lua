-- Reserved tasks that nobody confirmed for so long. KEYS[1]: the namespace's prefix. ARGV: seconds, how many.
local P = KEYS[1]
local time = redis.call('TIME')
local before = string.format('%.6f', tonumber(time[1]) + tonumber(time[2]) / 1000000 - tonumber(ARGV[1]))
local tasks = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'unconfirmed', '-inf', before, 'LIMIT', 0, ARGV[2])) do
    local stored = redis.call('HMGET', P .. 't:' .. id, 't', 'f', 'b')
    tasks[#tasks + 1] = {id, stored[1], stored[2], stored[3]}
end
return tasks
