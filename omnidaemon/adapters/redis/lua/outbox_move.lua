-- Write what was decided of entries of the outbox, each if nobody has taken it since it was read.
-- KEYS[1]: the namespace's prefix. ARGV: "1" to ring the bell; then for each entry: id, the status and the fence that it
-- was read with, status, fence, attempts, due time or "", when it was settled or "", reason, log.
-- Answers for each 1, or 0 where it was another by now.
local P = KEYS[1]
local answers = {}
for i = 2, #ARGV, 10 do
    local id, old, fence, new = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    local key = P .. 'o:' .. id
    local stored = redis.call('HMGET', key, 's', 'f', 'k', 'n')
    if stored[1] == old and stored[2] == fence then
        redis.call('HSET', key, 's', new, 'f', ARGV[i + 4], 'a', ARGV[i + 5], 'e', ARGV[i + 7], 'r', ARGV[i + 8],
            'l', ARGV[i + 9])
        if old ~= new then
            redis.call('ZREM', P .. 'outbox:in:' .. old, id)
            redis.call('ZADD', P .. 'outbox:in:' .. new, stored[4], id)
        end
        if ARGV[i + 6] == '' then
            redis.call('ZREM', P .. 'outbox:due:' .. stored[3], id)
        else
            redis.call('ZADD', P .. 'outbox:due:' .. stored[3], ARGV[i + 6], id)
        end
        if ARGV[i + 7] == '' then
            redis.call('ZREM', P .. 'outbox:settled', id)
        else
            redis.call('ZADD', P .. 'outbox:settled', ARGV[i + 7], id)
        end
        answers[#answers + 1] = 1
    else
        answers[#answers + 1] = 0
    end
end
if ARGV[1] == '1' then redis.call('PUBLISH', P .. 'bell', '') end
return answers
