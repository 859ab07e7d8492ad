-- Events of one task. KEYS[1]: the namespace's prefix. ARGV: task id, after which position, how many.
-- Answers {position, terms, …}.
local P = KEYS[1]
local answers, after, limit = {}, tonumber(ARGV[2]), tonumber(ARGV[3])
-- the older ones of a task that has many, and those of one that was deleted and published again
local positions = redis.call('LRANGE', P .. 'journal:' .. ARGV[1], 0, -1)
for position in string.gmatch(redis.call('HGET', P .. 't:' .. ARGV[1], 'j') or '', '%d+') do
    positions[#positions + 1] = position
end
for _, position in ipairs(positions) do
    if tonumber(position) > after and #answers < 2 * limit then
        -- the entry that holds it is the last that begins no later; it may be trimmed
        local entry = redis.call('XREVRANGE', P .. 'journal', position .. '-0', '-', 'COUNT', 1)[1]
        if entry then
            answers[#answers + 1] = position
            answers[#answers + 1] = entry[2][2]
        end
    end
end
return answers
