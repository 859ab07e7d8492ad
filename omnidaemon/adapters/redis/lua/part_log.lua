-- The task log. It needs P, the namespace's prefix, `time` and the parts `note` and `all`, and that `seldom` makes what
-- is in the part `unlogged` too. A roster is the revision of the agents, how many topics, and for each its name and
-- those of its agents, joined by commas; a publisher's is as old as the last that it heard.
local unlogged, adopt
local roster_end = tonumber(ARGV[2]) * 2 + 2

-- The agents of each topic, less those that are being removed just now, under this revision; or nothing, and what to
-- answer, when the roster has changed.
local function staying()
    local revision, names = call('GET', P .. 'agents:revision') or '0', {}
    if revision ~= ARGV[1] then
        local records = call('HGETALL', P .. 'agents')
        for i = 1, #records, 2 do names[#names + 1] = records[i] end
        return nil, {'agents', time[1], time[2], revision, names}
    end
    for at = 3, roster_end, 2 do names[ARGV[at]] = ARGV[at + 1] end
    local marks = call('HGETALL', P .. 'leaving')
    if #marks == 0 then return names end
    local leaving = {}
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

-- Give tasks positions, and list those that have none yet: the positions, the rows by which an index lists them, and
-- whether all of them are new.
local function listed(ids)
    local positions, rows, many = {}, {}, #ids
    local before = numbers('tasks:latest', many)
    for at = 1, many do
        local position = format('%d', before + at)
        positions[at] = position
        -- the last first: a small index is searched from its beginning
        rows[2 * (many - at) + 1], rows[2 * (many - at) + 2] = position, ids[at]
    end
    return positions, rows, all('ZADD', P .. 'tasks', rows, 'NX') == many
end

-- Log those tasks of a group that are not logged yet, for these agents.
local function log(group, named, kind)
    local topic, begun = group.topic
    local positions, rows, is_all_new = listed(group.ids)
    if not is_all_new then
        seldom()
        group, positions, rows, begun = unlogged(group)
    end
    local ids, created, bodies = group.ids, group.created, group.bodies
    -- with no agent at all is not the same as without those whose run was deleted later
    local stored = named == '' and '*' or named
    if #ids > 0 then
        -- as words_of() in journal_forms writes them: names hold nothing that JSON would escape
        local terms = '["' .. kind .. '","' .. topic .. '",null,0,"",' .. time[1] .. format('%06d', time[2]) .. ']'
        local before = entry(terms, '["' .. table.concat(ids, '","') .. '"]', #ids)
        for at = 1, #ids do
            local id, event = ids[at], format(' %d', before + at)
            if begun and begun[id] then
                adopt(id, topic, positions[at], named, stored)
                noted[id] = event
            else
                call('HSET', P .. 't:' .. id, 'n', positions[at], 't', topic, 'c', created[at], 'b', bodies[at],
                    'a', stored, 'j', event)
            end
        end
    end
    for agent in string.gmatch(named, '[^,]+') do all('ZADD', P .. 'unbegun:' .. topic .. '/' .. agent, rows) end
    if named == '' then
        all('ZADD', P .. 'unbegun:' .. topic .. '/', rows)
        call('ZADD', P .. 'pairs', '0', topic .. '/')
    end
end
