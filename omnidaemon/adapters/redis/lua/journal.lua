-- Entries of the journal that hold events from some position on, as many as hold so many events.
-- KEYS[1]: the namespace's prefix. ARGV: the position, how many. Answers {first position, terms, tasks, …}.
local journal = KEYS[1] .. 'journal'
local answers, from, wanted = {}, ARGV[1] .. '-0', tonumber(ARGV[1]) + tonumber(ARGV[2])
-- the entry that holds it is the last that begins no later
local holder = redis.call('XREVRANGE', journal, from, '-', 'COUNT', 1)[1]
if holder then from = holder[1] end
while true do
    local entries = redis.call('XRANGE', journal, from, '+', 'COUNT', 20)
    if #entries == 0 then return answers end
    for _, entry in ipairs(entries) do
        local first = string.match(entry[1], '^%d+')
        -- counted from the first that is kept: many that follow on the position may be trimmed
        if #answers == 0 then wanted = math.max(wanted, tonumber(first) + tonumber(ARGV[2])) end
        if tonumber(first) >= wanted then return answers end
        answers[#answers + 1] = first
        answers[#answers + 1] = entry[2][2]
        answers[#answers + 1] = entry[2][4]
    end
    from = '(' .. entries[#entries][1]
end
