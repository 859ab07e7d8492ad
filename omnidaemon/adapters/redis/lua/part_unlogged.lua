-- What is seldom needed of the task log.

-- What of a group is to be logged, each task once, where some were listed before. Those that have begun without being
-- logged are in `begun`, by their positions.
function unlogged(group)
    local found, positions, rows, begun, seen = group_of(group.topic), {}, {}, {}, {}
    for at, id in ipairs(group.ids) do
        local stored = call('HMGET', P .. 't:' .. id, 'n', 'a')
        if not seen[id] and not stored[2] then
            local position = stored[1] or call('ZSCORE', P .. 'tasks', id)
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
function adopt(id, topic, position, named, stored)
    call('HSET', P .. 't:' .. id, 'a', stored)
    call('ZREM', P .. 'unbegun:' .. topic .. '/', id)
    if named == '' then call('ZADD', P .. 'unbegun:' .. topic .. '/', position, id) end
    for agent in string.gmatch(named, '[^,]+') do
        if call('HEXISTS', P .. 't:' .. id, 'r:' .. agent) == 0 then
            call('ZADD', P .. 'unbegun:' .. topic .. '/' .. agent, position, id)
        end
    end
end
