-- Entries of the outbox. KEYS[1]: the namespace's prefix. ARGV: ids. Answers {seconds, microseconds, for each known one
-- {id, due or nothing, {field, value, …}}}.
local P = KEYS[1]
local time = redis.call('TIME')
local entries = {}
for _, id in ipairs(ARGV) do
    local fields = redis.call('HGETALL', P .. 'o:' .. id)
    if #fields > 0 then
        local kind = redis.call('HGET', P .. 'o:' .. id, 'k')
        entries[#entries + 1] = {id, redis.call('ZSCORE', P .. 'outbox:due:' .. kind, id), fields}
    end
end
return {time[1], time[2], entries}
