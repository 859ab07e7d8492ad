-- Entries of the outbox. KEYS[1]: the namespace's prefix. ARGV: of how many bytes at most, but one entry at least, 0 for
-- all; then ids. Answers {seconds, microseconds, for each known one {id, due or nothing, {field, value, …}}, how many ids
-- were looked at}.
local P = KEYS[1]
local time = redis.call('TIME')
local most, size = tonumber(ARGV[1]), 0
local entries = {}
for i = 2, #ARGV do
    local id = ARGV[i]
    local key = P .. 'o:' .. id
    size = size + redis.call('HSTRLEN', key, 'v')
    if most > 0 and size > most and i > 2 then return {time[1], time[2], entries, i - 2} end
    local fields = redis.call('HGETALL', key)
    if #fields > 0 then
        local kind = redis.call('HGET', key, 'k')
        entries[#entries + 1] = {id, redis.call('ZSCORE', P .. 'outbox:due:' .. kind, id), fields}
    end
end
return {time[1], time[2], entries, #ARGV - 1}
