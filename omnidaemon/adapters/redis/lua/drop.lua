-- Forget delayed tasks that were published. KEYS[1]: the namespace's prefix. ARGV: their ids.
local P = KEYS[1]
for _, id in ipairs(ARGV) do
    redis.call('ZREM', P .. 'schedules', id)
    local topic = redis.call('HGET', P .. 't:' .. id, 't')
    if topic then redis.call('ZREM', P .. 'scheduled:' .. topic, id) end
end
return false
