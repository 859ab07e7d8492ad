-- Events of one task. KEYS[1]: the namespace's prefix. ARGV: task id, after which position, how many.
-- Answers {position, event, …}.
local P = KEYS[1]
local answers, after, limit = {}, tonumber(ARGV[2]), tonumber(ARGV[3])
for _, position in ipairs(redis.call('LRANGE', P .. 'journal:' .. ARGV[1], 0, -1)) do
    if tonumber(position) > after and #answers < 2 * limit then
        local id = position .. '-0'
        local entry = redis.call('XRANGE', P .. 'journal', id, id)[1]
        if entry then
            answers[#answers + 1] = position
            answers[#answers + 1] = entry[2][4]
        end
    end
end
return answers
