-- What is seldom needed of the journal.
local oldest

-- Retention takes one from the list for each that it trims: what is trimmed already must not come to it.
function list_positions(id, positions)
    if not oldest then
        local entry = call('XRANGE', P .. 'journal', '-', '+', 'COUNT', 1)[1]
        oldest = entry and tonumber(string.match(entry[1], '^%d+')) or math.huge
    end
    for position in string.gmatch(positions, '%d+') do
        if tonumber(position) >= oldest then call('RPUSH', P .. 'journal:' .. id, position) end
    end
end

-- What is noted of tasks that were not written.
function keep_noted()
    for id, positions in pairs(noted) do
        local key = P .. 't:' .. id
        if call('EXISTS', key) == 1 then
            call('HSET', key, 'j', with_noted(id, call('HGET', key, 'j'), positions))
        else
            list_positions(id, positions)
        end
    end
end
