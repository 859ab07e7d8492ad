-- The journal. It needs P, the namespace's prefix. Of each task the positions of its events are kept with it, as text in
-- its field "j", while it is there and they are few, since each event writes that text anew; else in a list of their
-- own, which comes before.
local noted = {}
local FEW = 500 -- characters

-- Write an entry: events that share these terms, one for each of so many tasks; `tasks` are their ids as the entry keeps
-- them. The position before the first: whoever writes the tasks writes what is noted of them too.
local function entry(terms, tasks, many)
    local before = redis.call('INCRBY', P .. 'journal:latest', many) - many
    redis.call('XADD', P .. 'journal', (before + 1) .. '-0', 'e', terms, 't', tasks)
    return before
end

-- As `entry`; what is noted of tasks that are not written is for `keep_noted`.
local function note(terms, tasks, ids)
    local before = entry(terms, tasks, #ids)
    for at, id in ipairs(ids) do noted[id] = (noted[id] or '') .. ' ' .. before + at end
end

local oldest

-- Retention takes one from the list for each that it trims: what is trimmed already must not come to it.
local function list_positions(id, positions)
    if not oldest then
        local entry = redis.call('XRANGE', P .. 'journal', '-', '+', 'COUNT', 1)[1]
        oldest = entry and tonumber(string.match(entry[1], '^%d+')) or math.huge
    end
    for position in string.gmatch(positions, '%d+') do
        if tonumber(position) >= oldest then redis.call('RPUSH', P .. 'journal:' .. id, position) end
    end
end

-- The text of a task's field "j" once these positions are added to what it was.
local function with_noted(id, before, positions)
    if not before or #before <= FEW then return (before or '') .. positions end
    list_positions(id, before)
    return positions
end

local function keep_noted()
    for id, positions in pairs(noted) do
        local key = P .. 't:' .. id
        if redis.call('EXISTS', key) == 1 then
            redis.call('HSET', key, 'j', with_noted(id, redis.call('HGET', key, 'j'), positions))
        else
            list_positions(id, positions)
        end
    end
end
