-- Write what a gate decided, if everything that it was decided upon is still so; else write nothing and tell what is.
-- KEYS[1]: the namespace's prefix; KEYS[2]: the root of the bus, where that is told too. ARGV: sections, each a name and
-- what belongs to it; first what is expected, then, after "write", what is to be written. Everything is read before the
-- first write, since Redis rolls nothing back.
-- Answers {"ok"|"clock"|"lane"|"changed", seconds, microseconds, what is otherwise}.
local P = KEYS[1]
local at = 0
local function take()
    at = at + 1
    return ARGV[at]
end
local function count() return tonumber(take()) end

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local changed = {}
local positions, told_before = {}, {}
local ends_runs, standings = false, {}
local buried_any

local function is_buried(id, agent)
    if buried_any == nil then buried_any = redis.call('EXISTS', P .. 'tombstones') == 1 end
    if not buried_any then return '0' end
    local tombs = P .. 'tombstones'
    return (redis.call('ZSCORE', tombs, agent .. '/' .. id) or redis.call('ZSCORE', tombs, '/' .. id)) and '1' or '0'
end

--! lease_of

-- What is expected -----------------------------------------------------------------------------------------------------

local expected = {}

function expected.clock()
    local estimate, ahead, behind = count(), count(), count()
    if estimate - now > ahead or now - estimate > behind then return 'clock' end
end

function expected.lane()
    local incarnation, lane, counter = take(), take(), count()
    ends_runs = lane == 'finish'
    local latest = tonumber(redis.call('HGET', P .. 'lanes:' .. incarnation, lane) or '0')
    if latest > counter then
        changed[#changed + 1] = latest
        return 'lane'
    end
end

-- Runs of an agent by the head of their records, "" for absent; and, unless "-", whether their tasks are cancelled, they
-- are buried, and their tasks are logged.
function expected.runs()
    for _ = 1, count() do
        local agent, head, marks = take(), take(), take()
        local field, length = 'r:' .. agent, #head > 0 and #head or 1
        for _ = 1, count() do
            local id = take()
            local stored
            if ends_runs then
                stored = redis.call('HMGET', P .. 't:' .. id, field, 'x', 'n', 'j', 'c', 'a')
                if stored[5] and stored[6] and not stored[2] then standings[id] = stored[5] .. ' ' .. stored[6] end
            else
                stored = redis.call('HMGET', P .. 't:' .. id, field, 'x', 'n', 'j')
            end
            local record = stored[1]
            local found = record and string.sub(record, 1, length) or ''
            local current = '-'
            if marks ~= '-' then
                current = (stored[2] and '1' or '0') .. is_buried(id, agent) .. (stored[3] and '1' or '0')
            end
            positions[id], told_before[id] = stored[3], stored[4]
            if found ~= head or current ~= marks then
                changed[#changed + 1] = {'run', id, agent, record, lease_of(agent .. '/' .. id), current}
            end
        end
    end
end

-- What is written ------------------------------------------------------------------------------------------------------

local ENDED = {succeeded = 'ended', cancelled = 'ended', skipped = 'ended', dead = 'ended:dead'}
local write = {}

-- What those who wait for results are told with the news: of each run that ended its task, its agent, the length of its
-- record, when the task was created and the agents that it was published for, where those are known, and the record; what
-- is long they read themselves. Of a task that is cancelled, its name. The parts are joined once: Lua hashes every text
-- that it makes.
local endings = {}

local function tell(id, agent, record)
    if #record > 4096 then record = '' end
    local standing = standings[id]
    endings[#endings + 1] = id .. ' ' .. agent .. ' ' .. #record .. (standing and ' ' .. standing or '') .. '\n'
    endings[#endings + 1] = record
end

function write.lane()
    local key = P .. 'lanes:' .. take()
    redis.call('HSET', key, take(), take())
    redis.call('EXPIRE', key, 604800)
end

--! all
--! note

-- Runs that move alike. What is noted of them comes before.
function write.runs()
    for _ = 1, count() do
        local agent, subscription, head, shared = take(), take(), take(), take()
        local old, new, left, queue, due = take(), take(), take(), take(), take()
        local left_length, length, lease, ended = take(), take(), take(), take()
        local ids, members, field = {}, {}, 'r:' .. agent
        local placed, due_scores, lease_scores, end_scores = {}, {}, {}, {}
        local is_end = old ~= new and ENDED[new]
        local many = count()
        for i = 1, many do
            local id, own, result = take(), take(), take()
            local key, member = P .. 't:' .. id, agent .. '/' .. id
            local record = head .. '[' .. own .. ',' .. shared .. '\n' .. result
            if noted[id] then
                redis.call('HSET', key, field, record, 'j', with_noted(id, told_before[id], noted[id]))
                noted[id] = nil
            else
                redis.call('HSET', key, field, record)
            end
            if is_end then tell(id, agent, record) end
            ids[i], members[i] = id, member
            due_scores[2 * i - 1], due_scores[2 * i] = due, id
            lease_scores[2 * i - 1], lease_scores[2 * i] = lease, member
            end_scores[2 * i - 1], end_scores[2 * i] = ended, member
        end
        if old ~= new then
            if old == '' then
                all('ZREM', P .. 'unbegun:' .. subscription, ids)
            else
                all('ZREM', P .. 'in:' .. old .. ':' .. subscription, ids)
                if ENDED[old] then all('ZREM', P .. ENDED[old], members) end
            end
            -- the last first: a small index is searched from its beginning (40 instead of 91 µs for a hundred)
            for i = 1, many do
                local id = ids[many - i + 1]
                placed[2 * i - 1], placed[2 * i] = positions[id], id
            end
            all('ZADD', P .. 'in:' .. new .. ':' .. subscription, placed)
            if ENDED[new] then all('ZADD', P .. ENDED[new], end_scores) end
        end
        if left ~= '' and left ~= queue then all('ZREM', P .. left .. ':' .. subscription, ids) end
        if queue ~= '' then all('ZADD', P .. queue .. ':' .. subscription, due_scores) end
        if left_length ~= '' and left_length ~= length then all('ZREM', P .. 'leases:' .. left_length, members) end
        if length ~= '' then
            all('ZADD', P .. 'leases:' .. length, lease_scores)
            redis.call('SADD', P .. 'lengths', length)
        end
    end
end

function write.metrics()
    for _ = 1, count() do
        local subscription = take()
        for _ = 1, count() do
            local name, command, amount = take(), take(), take()
            redis.call(command, P .. 'metrics', subscription .. ':' .. name, amount)
        end
        redis.call('ZADD', P .. 'pairs', 0, subscription)
    end
end

function write.events()
    for _ = 1, count() do
        local terms, tasks, ids = take(), take(), {}
        for i = 1, count() do ids[i] = take() end
        note(terms, tasks, ids)
    end
end

-- Deliveries that the bus may forget, since what is written here answers for them.
--! forget

function write.acks()
    for _ = 1, count() do
        local topic, agent, many = take(), take(), count()
        forget(KEYS[2], topic, agent, at + 1, at + many)
        at = at + many
    end
end

function write.news()
    if #endings > 0 then redis.call('PUBLISH', P .. 'endings', table.concat(endings)) end
    redis.call('PUBLISH', P .. 'news', '')
end

-- What is asked for ----------------------------------------------------------------------------------------------------

local function seldom()
--! seldom
end

local function call(sections, name)
    if not sections[name] then seldom() end
    return sections[name]()
end

local section = take()
while section and section ~= 'write' do
    local refusal = call(expected, section)
    if refusal then return {refusal, time[1], time[2], changed} end
    section = take()
end
if #changed > 0 then return {'changed', time[1], time[2], changed} end

section = take()
while section do
    call(write, section)
    section = take()
end
keep_noted()
return {'ok', time[1], time[2], changed}
