-- The task log. It needs P, the namespace's prefix, `time` and the part `note`. A roster is the revision of the agents, how many topics,
-- and for each its name and those of its agents, joined by commas; a publisher's is as old as the last that it heard.
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

-- Those of the tasks that are to be logged: each once, with what is there of it already. Each is {id, topic, created,
-- body}.
local function unlogged(tasks)
    local found, seen = {}, {}
    for _, task in ipairs(tasks) do
        local id = task[1]
        if not seen[id] then
            seen[id] = true
            local stored = redis.call('HMGET', P .. 't:' .. id, 'n', 'a')
            task.position = stored[1]
            if not stored[2] then found[#found + 1] = task end
        end
    end
    return found
end

local function log(tasks, kind)
    local names, indexes, fresh = staying(), {}, 0
    local function index(key, position, id)
        local rows = indexes[key] or {}
        indexes[key] = rows
        rows[#rows + 1] = position
        rows[#rows + 1] = id
    end
    for topic in pairs(names) do redis.call('ZADD', P .. 'pairs', 0, topic .. '/') end
    for _, task in ipairs(tasks) do
        if not task.position then fresh = fresh + 1 end
    end
    local latest = fresh > 0 and redis.call('INCRBY', P .. 'tasks:latest', fresh) - fresh
    -- those of a topic that come one after the other share an entry
    local topics, ids_of = {}, {}
    for _, task in ipairs(tasks) do
        if topics[#topics] ~= task[2] then
            topics[#topics + 1] = task[2]
            ids_of[#topics] = {}
        end
        table.insert(ids_of[#topics], task[1])
    end
    -- as entries_of() and tasks_of() write them: names hold nothing that JSON would escape
    local ends = '",null,0,"",' .. time[1] .. string.format('%06d', time[2]) .. ']'
    for at, topic in ipairs(topics) do
        local ids = ids_of[at]
        note('["' .. kind .. '","' .. topic .. ends, '["' .. table.concat(ids, '","') .. '"]', ids)
    end
    for _, task in ipairs(tasks) do
        local id, topic, position = task[1], task[2], task.position
        local key, named = P .. 't:' .. id, names[topic]
        -- with no agent at all is not the same as without those whose run was deleted later
        local stored = named == '' and '*' or named
        if position then
            redis.call('HSET', key, 'a', stored)
            redis.call('ZREM', P .. 'unbegun:' .. topic .. '/', id)
        else
            latest = latest + 1
            position = latest
            redis.call('HSET', key, 'n', position, 't', topic, 'c', task[3], 'f', '', 'b', task[4], 'a', stored,
                'j', noted[id])
            noted[id] = nil
            index(P .. 'tasks', position, id)
        end
        if named == '' then index(P .. 'unbegun:' .. topic .. '/', position, id) end
        for agent in string.gmatch(named, '[^,]+') do
            if not task.position or redis.call('HEXISTS', key, 'r:' .. agent) == 0 then
                index(P .. 'unbegun:' .. topic .. '/' .. agent, position, id)
            end
        end
    end
    keep_noted()
    for key, rows in pairs(indexes) do
        for at = 1, #rows, 1000 do redis.call('ZADD', key, unpack(rows, at, math.min(at + 999, #rows))) end
    end
end
