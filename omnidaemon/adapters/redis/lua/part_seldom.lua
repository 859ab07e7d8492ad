-- What the script `apply` is seldom asked for: it makes these functions only then, which takes longer than a short call.
-- It needs P, `time`, `now`, `take`, `count`, `changed`, `read`, `tell`, ENDED, the parts `note` and `keep`, and
-- the tables `expected` and `write` to put them in.

-- What is expected.

function expected.agents()
    local revision = take()
    local current = call('GET', P .. 'agents:revision') or '0'
    if current ~= revision then
        changed[#changed + 1] = {'agents', current, call('HGETALL', P .. 'agents')}
    end
end

-- "touch": the terms are the same, somebody was heard no earlier than the caller believes, and not too long ago by now:
-- the call may have been held up on the way. "exact": it is just so.
function expected.guard()
    local mode, seen, terms = take(), take(), take()
    local stored = call('HMGET', P .. 'guard', 'seen', 'terms')
    local is_same = (stored[2] or '') == terms
    if mode == 'touch' then
        local shortest = tonumber(string.match(terms, '^[^|]*|[^|]*|([^|]*)|') or '0')
        local last = tonumber(stored[1] or '0')
        is_same = is_same and last >= tonumber(seen) and now - last <= shortest / 2
    else
        is_same = is_same and (stored[1] or '') == seen
    end
    if not is_same then changed[#changed + 1] = {'guard', stored[1] or '', stored[2] or ''} end
end

-- A task by the number of its fields, which a run that is added changes, its named agents, its mark and its schedule.
function expected.tasks()
    for _ = 1, count() do
        local id, fields, named, mark, scheduled = take(), count(), take(), take(), take()
        local key = P .. 't:' .. id
        local stored = call('HMGET', key, 'a', 'x')
        local is_scheduled = call('ZSCORE', P .. 'schedules', id) and '1' or '0'
        local is_same = call('HLEN', key) == fields and (stored[1] or '-') == named
            and (stored[2] and '1' or '0') == mark and is_scheduled == scheduled
        if not is_same then changed[#changed + 1] = {'task', id} end
    end
end

-- What is written.

local function unlist(id, agent, subscription, record)
    local state = string.match(record, '^(%a+)')
    call('ZREM', P .. 'in:' .. state .. ':' .. subscription, id)
    call('ZREM', P .. 'due:' .. subscription, id)
    call('ZREM', P .. 'crashed:' .. subscription, id)
    for _, length in ipairs(call('SMEMBERS', P .. 'lengths')) do
        call('ZREM', P .. 'leases:' .. length, agent .. '/' .. id)
    end
    if ENDED[state] then call('ZREM', P .. ENDED[state], agent .. '/' .. id) end
end

-- What is still to be told of a deleted task stays.
local function drop_settled(id, topic)
    for _, told in ipairs(call('ZRANGE', P .. 'outbox:of:' .. id, 0, -1)) do
        local status = call('HGET', P .. 'o:' .. told, 's')
        if status ~= 'pending' then
            for _, index in ipairs({'', ':in:' .. status, ':of:' .. id, ':on:' .. topic, ':settled'}) do
                call('ZREM', P .. 'outbox' .. index, told)
            end
            call('UNLINK', P .. 'o:' .. told)
        end
    end
end

function write.guard()
    call('HSET', P .. 'guard', 'seen', time[1] .. '.' .. string.format('%06d', time[2]), 'terms', take())
end

function write.agents()
    for _ = 1, count() do
        local subscription, record = take(), take()
        if record == '' then
            call('HDEL', P .. 'agents', subscription)
        else
            call('HSET', P .. 'agents', subscription, record)
            call('ZADD', P .. 'pairs', '0', subscription)
        end
    end
    -- Where the data are gone, none may come again that somebody still knows: they go on from the time.
    call('SET', P .. 'agents:revision', time[1] .. string.format('%06d', time[2]), 'NX')
    call('INCR', P .. 'agents:revision')
end

function write.tasks()
    local many = count()
    local latest = numbers('tasks:latest', many)
    for _ = 1, many do
        local id, topic, created, flaw, body = take(), take(), take(), take(), take()
        local key = P .. 't:' .. id
        if call('EXISTS', key) == 0 then
            latest = latest + 1
            local position = format('%d', latest)
            read[id] = read[id] or {}
            read[id][3] = position
            call('HSET', key, 'n', position, 't', topic, 'c', created, 'f', flaw, 'b', body)
            call('ZADD', P .. 'tasks', position, id)
            call('ZADD', P .. 'unbegun:' .. topic .. '/', position, id)
        end
    end
end

function write.leases()
    for _ = 1, count() do
        local length, member, lease = take(), take(), take()
        call('ZADD', P .. 'leases:' .. length, 'XX', lease, member)
    end
end

function write.marks()
    for _ = 1, count() do
        local id, mark, created = take(), take(), take()
        local key = P .. 't:' .. id
        local place = call('HMGET', key, 't', 'n')
        if mark == '1' then
            call('HSET', key, 'x', '1')
            call('ZADD', P .. 'cancelled', created, id)
            call('ZADD', P .. 'marked:' .. place[1], place[2], id)
            tell(id, '', '')
        else
            call('HDEL', key, 'x')
            call('ZREM', P .. 'cancelled', id)
            call('ZREM', P .. 'marked:' .. place[1], id)
        end
    end
end

function write.unscheduled()
    for _ = 1, count() do
        local id = take()
        call('ZREM', P .. 'schedules', id)
        call('ZREM', P .. 'scheduled:' .. call('HGET', P .. 't:' .. id, 't'), id)
    end
end

function write.scheduled()
    for _ = 1, count() do
        local id, due = take(), take()
        local place = call('HMGET', P .. 't:' .. id, 't', 'n')
        call('ZADD', P .. 'schedules', 'NX', due, id)
        call('ZADD', P .. 'scheduled:' .. place[1], place[2], id)
    end
end

function write.forgotten()
    for _ = 1, count() do
        local id, agent, topic = take(), take(), take()
        local key = P .. 't:' .. id
        local stored = call('HMGET', key, 'r:' .. agent, 'a')
        local subscription = topic .. '/' .. agent
        if stored[1] then unlist(id, agent, subscription, stored[1]) end
        call('HDEL', key, 'r:' .. agent)
        call('ZREM', P .. 'unbegun:' .. subscription, id)
        if stored[2] then
            local others = {}
            for name in string.gmatch(stored[2], '[^,]+') do
                if name ~= agent then others[#others + 1] = name end
            end
            call('HSET', key, 'a', table.concat(others, ','))
        end
    end
end

function write.deleted()
    for _ = 1, count() do
        local id, topic, idempotency = take(), take(), take()
        local fields = call('HGETALL', P .. 't:' .. id)
        for i = 1, #fields, 2 do
            local name, value = fields[i], fields[i + 1]
            if string.sub(name, 1, 2) == 'r:' then
                local agent = string.sub(name, 3)
                unlist(id, agent, topic .. '/' .. agent, value)
            elseif name == 'j' then
                list_positions(id, value)
            elseif name == 'a' then
                for agent in string.gmatch(value, '[^,]+') do
                    call('ZREM', P .. 'unbegun:' .. topic .. '/' .. agent, id)
                end
            end
        end
        call('ZREM', P .. 'unbegun:' .. topic .. '/', id)
        call('ZREM', P .. 'tasks', id)
        call('ZREM', P .. 'cancelled', id)
        call('ZREM', P .. 'marked:' .. topic, id)
        call('UNLINK', P .. 't:' .. id)
        drop_settled(id, topic)
        if idempotency ~= '' then
            if call('HGET', P .. 'keys', idempotency) == id then call('HDEL', P .. 'keys', idempotency) end
            call('ZREM', P .. 'unconfirmed', id)
        end
    end
end

-- What has to be told of ended runs, each once.
function write.notifications()
    local many = count()
    local latest = numbers('outbox:latest', many)
    for _ = 1, many do
        local id, kind, task, topic, due, body = take(), take(), take(), take(), take(), take()
        local key = P .. 'o:' .. id
        if call('EXISTS', key) == 0 then
            latest = latest + 1
            call('HSET', key, 'n', latest, 'k', kind, 't', task, 'p', topic, 'v', body,
                's', 'pending', 'a', 0, 'f', 0, 'e', '', 'r', '', 'l', '[]')
            call('ZADD', P .. 'outbox:due:' .. kind, due, id)
            for _, index in ipairs({'', ':in:pending', ':of:' .. task, ':on:' .. topic}) do
                call('ZADD', P .. 'outbox' .. index, latest, id)
            end
        end
    end
end

function write.tombstones()
    for _ = 1, count() do
        local member, lasts = take(), take()
        call('ZADD', P .. 'tombstones', lasts, member)
    end
end

function write.bell()
    call('PUBLISH', P .. 'bell', '')
end

