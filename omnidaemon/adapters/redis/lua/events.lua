-- Events of one task. KEYS[1]: the namespace's prefix. ARGV: task id, after which position, how many.
-- Answers {position, terms, …}.
local P = KEYS[1]
local answers, after, limit = {}, tonumber(ARGV[2]), tonumber(ARGV[3])
for _, position in ipairs(redis.call('LRANGE', P .. 'journal:' .. ARGV[1], 0, -1)) do
    if tonumber(position) > after and #answers < 2 * limit then
        -- the entry that holds it is the last that begins no later
        local entry = redis.call('XREVRANGE', P .. 'journal', position .. '-0', '-', 'COUNT', 1)[1]
        if entry then
            answers[#answers + 1] = position
            answers[#answers + 1] = entry[2][2]
        end
    end
end
return answers
