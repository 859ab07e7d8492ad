-- The task log. It needs P, the namespace's prefix, `time` and the parts `note` and `all`. A roster is the revision of
-- the agents, how many topics, and for each its name and those of its agents, joined by commas; a publisher's is as old
-- as the last that it heard.
local roster_end = tonumber(ARGV[2]) * 2 + 2

-- What to answer when the roster has changed; nothing when it has not.
local function another_roster()
    local revision = redis.call('GET', P .. 'agents:revision') or '0'
    if revision == ARGV[1] then return end
    local names, records = {}, redis.call('HGETALL', P .. 'agents')
    for i = 1, #records, 2 do names[#names + 1] = records[i] end
    return {'agents', time[1], time[2], revision, names}
end

-- The agents of each topic, less those that are being removed just now, under this revision.
local function staying()
    local names, leaving = {}, {}
    for at = 3, roster_end, 2 do names[ARGV[at]] = ARGV[at + 1] end
    local marks = redis.call('HGETALL', P .. 'leaving')
    for i = 1, #marks, 2 do
        if marks[i + 1] == ARGV[1] then leaving[marks[i]] = true end
    end
    if next(leaving) then
        for topic, all in pairs(names) do
            local left = {}
            for agent in string.gmatch(all, '[^,]+') do
                if not leaving[topic .. '/' .. agent] then left[#left + 1] = agent end
            end
            names[topic] = table.concat(left, ',')
        end
    end
    return names
end

-- Tasks of one topic that come one after the other: what is logged together.
local function group_of(topic)
    return {topic = topic, ids = {}, created = {}, bodies = {}}
end

-- Give the tasks of a group positions, and list those that have none yet: the positions, the rows by which an index
-- lists them, and whether all of them are new.
local function listed(ids)
    local positions, rows, many = {}, {}, #ids
    local before = redis.call('INCRBY', P .. 'tasks:latest', many) - many
    for at, id in ipairs(ids) do
        -- as text, which otherwise each command would make of the number
        local position = string.format('%d', before + at)
        positions[at] = position
        -- the last first: a small index is searched from its beginning
        rows[2 * (many - at) + 1], rows[2 * (many - at) + 2] = position, id
    end
    return positions, rows, all('ZADD', P .. 'tasks', rows, 'NX') == many
end

-- What of a group is to be logged, each task once, where some were listed before. Those that have begun without being
-- logged are in `begun`, by their positions.
local function unlogged(group)
    local found, positions, rows, begun, seen = group_of(group.topic), {}, {}, {}, {}
    for at, id in ipairs(group.ids) do
        local stored = redis.call('HMGET', P .. 't:' .. id, 'n', 'a')
        if not seen[id] and not stored[2] then
            local position = stored[1] or redis.call('ZSCORE', P .. 'tasks', id)
            local next = #found.ids + 1
            found.ids[next], found.created[next], found.bodies[next] = id, group.created[at], group.bodies[at]
            positions[next] = position
            if stored[1] then
                begun[id] = true
            else
                rows[#rows + 1], rows[#rows + 2] = position, id
            end
        end
        seen[id] = true
    end
    return found, positions, rows, begun
end

-- A task that a worker has begun before it was logged gets the agents that have to answer for it.
local function adopt(id, topic, position, named, stored)
    redis.call('HSET', P .. 't:' .. id, 'a', stored)
    redis.call('ZREM', P .. 'unbegun:' .. topic .. '/', id)
    if named == '' then redis.call('ZADD', P .. 'unbegun:' .. topic .. '/', position, id) end
    for agent in string.gmatch(named, '[^,]+') do
        if redis.call('HEXISTS', P .. 't:' .. id, 'r:' .. agent) == 0 then
            redis.call('ZADD', P .. 'unbegun:' .. topic .. '/' .. agent, position, id)
        end
    end
end

-- Log those of the tasks that are not logged yet.
local function log(groups, kind)
    local names = staying()
    -- as words_of() in journal_forms writes them: names hold nothing that JSON would escape
    local ends = '",null,0,"",' .. time[1] .. string.format('%06d', time[2]) .. ']'
    for _, group in ipairs(groups) do
        local topic, begun = group.topic, {}
        local positions, rows, is_all_new = listed(group.ids)
        if not is_all_new then group, positions, rows, begun = unlogged(group) end
        local ids, created, bodies, named = group.ids, group.created, group.bodies, names[topic]
        -- with no agent at all is not the same as without those whose run was deleted later
        local stored = named == '' and '*' or named
        if #ids > 0 then
            local before = entry('["' .. kind .. '","' .. topic .. ends, '["' .. table.concat(ids, '","') .. '"]', #ids)
            for at, id in ipairs(ids) do
                local event = string.format(' %d', before + at)
                if begun[id] then
                    adopt(id, topic, positions[at], named, stored)
                    noted[id] = event
                else
                    redis.call('HSET', P .. 't:' .. id, 'n', positions[at], 't', topic, 'c', created[at],
                        'b', bodies[at], 'a', stored, 'j', event)
                end
            end
        end
        for agent in string.gmatch(named, '[^,]+') do all('ZADD', P .. 'unbegun:' .. topic .. '/' .. agent, rows) end
        if named == '' then
            all('ZADD', P .. 'unbegun:' .. topic .. '/', rows)
            redis.call('ZADD', P .. 'pairs', 0, topic .. '/')
        end
    end
    keep_noted()
end
