-- How many runs are in each state. KEYS[1]: the namespace's prefix. ARGV: the states.
-- Answers {"topic/agent", counts in the order of the states, …}.
local P = KEYS[1]
local answers = {}
for _, subscription in ipairs(redis.call('ZRANGE', P .. 'pairs', 0, -1)) do
    local counts = {}
    for i, state in ipairs(ARGV) do counts[i] = redis.call('ZCARD', P .. 'in:' .. state .. ':' .. subscription) end
    answers[#answers + 1] = {subscription, counts}
end
return answers
