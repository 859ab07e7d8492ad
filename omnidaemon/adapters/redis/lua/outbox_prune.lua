-- Drop entries of the outbox that were settled before a time. KEYS[1]: the namespace's prefix. ARGV: before when, at
-- most how many. Answers how many there were.
local P = KEYS[1]
local ids = redis.call('ZRANGEBYSCORE', P .. 'outbox:settled', '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
    local stored = redis.call('HMGET', P .. 'o:' .. id, 's', 't', 'p')
    redis.call('ZREM', P .. 'outbox', id)
    redis.call('ZREM', P .. 'outbox:in:' .. stored[1], id)
    redis.call('ZREM', P .. 'outbox:of:' .. stored[2], id)
    redis.call('ZREM', P .. 'outbox:on:' .. stored[3], id)
    redis.call('ZREM', P .. 'outbox:settled', id)
    redis.call('UNLINK', P .. 'o:' .. id)
end
return #ids
