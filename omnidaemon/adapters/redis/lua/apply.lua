-- Write what a gate decided, if everything that it was decided upon is still so; else write nothing and tell what is.
-- KEYS[1]: the namespace's prefix; KEYS[2]: the root of the bus, where that is told too. ARGV: sections, each a name and
-- what belongs to it; first what is expected, then, after "write", what is to be written. Everything is read before the
-- first write, since Redis rolls nothing back.
-- Answers {"ok"|"clock"|"lane"|"changed", seconds, microseconds, what is otherwise}.
local P = KEYS[1]
local call = redis.call
local words, at = ARGV, 0
local function take()
    at = at + 1
    return words[at]
end
local function count() return tonumber(take()) end

local time = call('TIME')
local now = time[1] + time[2] / 1000000
local changed = {}
local buried_any

-- Whose requests this is one of, by the key of their lanes; its lane, and its number there.
local requests, lane, counter
local ends_runs = false

-- The tasks of the runs that are expected, in their order, and what was read of each: the run's record, its mark, its
-- position, those of its events; where runs end, when it was created and its agents too.
local expected_ids, read = {}, {}

-- The tasks that are told next: how many, and each of them, or "=" for those of the runs that are expected.
local function take_ids()
    local many = take()
    if many == '=' then return expected_ids end
    local ids = {}
    for i = 1, tonumber(many) do ids[i] = take() end
    return ids
end

local function is_buried(id, agent)
    if buried_any == nil then buried_any = call('EXISTS', P .. 'tombstones') == 1 end
    if not buried_any then return '0' end
    local tombs = P .. 'tombstones'
    return (call('ZSCORE', tombs, agent .. '/' .. id) or call('ZSCORE', tombs, '/' .. id)) and '1' or '0'
end

--! lease_of

-- What is expected -----------------------------------------------------------------------------------------------------

local expected = {}

function expected.clock()
    local estimate, ahead, behind = count(), count(), count()
    if estimate - now > ahead or now - estimate > behind then return 'clock' end
end

function expected.lane()
    requests, lane, counter = P .. 'lanes:' .. take(), take(), take()
    ends_runs = lane == 'finish'
    local latest = tonumber(call('HGET', requests, lane) or '0')
    if latest > tonumber(counter) then
        changed[#changed + 1] = latest
        return 'lane'
    end
end

-- Runs of an agent by the head of their records, "" for absent; and, unless "-", whether their tasks are cancelled, they
-- are buried, and their tasks are logged.
function expected.runs()
    for _ = 1, count() do
        local agent, head, marks, many = take(), take(), take(), count()
        local field, length = 'r:' .. agent, #head > 0 and #head or 1
        for i = at + 1, at + many do
            local id, stored = words[i], nil
            local key = P .. 't:' .. id
            if ends_runs then
                stored = call('HMGET', key, field, 'x', 'n', 'j', 'c', 'a')
            else
                stored = call('HMGET', key, field, 'x', 'n', 'j')
            end
            expected_ids[#expected_ids + 1], read[id] = id, stored
            local record = stored[1]
            local found = record and string.sub(record, 1, length) or ''
            local current = '-'
            if marks ~= '-' then
                current = (stored[2] and '1' or '0') .. is_buried(id, agent) .. (stored[3] and '1' or '0')
            end
            if found ~= head or current ~= marks then
                changed[#changed + 1] = {'run', id, agent, record, lease_of(agent .. '/' .. id), current}
            end
        end
        at = at + many
    end
end

--! all
--! note

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
    local task, standing = read[id], ''
    if task and task[5] and task[6] and not task[2] then standing = ' ' .. task[5] .. ' ' .. task[6] end
    endings[#endings + 1] = id .. ' ' .. agent .. ' ' .. format('%d', #record) .. standing .. '\n'
    endings[#endings + 1] = record
end

function write.lane()
    call('HSET', requests, lane, counter)
    call('EXPIRE', requests, '604800')
end

-- What ZADD takes for members that have the same score.
local function scored(score, members)
    local rows = {}
    for i = 1, #members do rows[2 * i - 1], rows[2 * i] = score, members[i] end
    return rows
end

-- Runs that move alike. What is noted of them comes before.
function write.runs()
    for _ = 1, count() do
        local agent, subscription, head, shared, old, new, left, queue, due, left_length, length, lease, ended,
            results = unpack(words, at + 1, at + 14)
        at = at + 14
        local ids, members, placed, field = take_ids(), {}, {}, 'r:' .. agent
        local is_end = old ~= new and ENDED[new]
        local many, has_results, result = #ids, results == '1', ''
        for i = 1, many do
            local id, own = ids[i], take()
            if has_results then result = take() end
            local key, task, news = P .. 't:' .. id, read[id], noted[id]
            local record = head .. '[' .. own .. ',' .. shared .. '\n' .. result
            if news then
                task[4], noted[id] = with_noted(id, task[4], news), nil
                call('HSET', key, field, record, 'j', task[4])
            else
                call('HSET', key, field, record)
            end
            if is_end then tell(id, agent, record) end
            members[i] = agent .. '/' .. id
            -- the last first: a small index is searched from its beginning (40 instead of 91 µs for a hundred)
            placed[2 * (many - i) + 1], placed[2 * (many - i) + 2] = task[3], id
        end
        if old ~= new then
            if old == '' then
                all('ZREM', P .. 'unbegun:' .. subscription, ids)
            else
                all('ZREM', P .. 'in:' .. old .. ':' .. subscription, ids)
                if ENDED[old] then all('ZREM', P .. ENDED[old], members) end
            end
            all('ZADD', P .. 'in:' .. new .. ':' .. subscription, placed)
            if ENDED[new] then all('ZADD', P .. ENDED[new], scored(ended, members)) end
        end
        if left ~= '' and left ~= queue then all('ZREM', P .. left .. ':' .. subscription, ids) end
        if queue ~= '' then all('ZADD', P .. queue .. ':' .. subscription, scored(due, ids)) end
        if left_length ~= '' and left_length ~= length then all('ZREM', P .. 'leases:' .. left_length, members) end
        if length ~= '' then
            all('ZADD', P .. 'leases:' .. length, scored(lease, members))
            call('SADD', P .. 'lengths', length)
        end
    end
end

function write.metrics()
    for _ = 1, count() do
        local subscription = take()
        for i = 1, count() do
            local name, amount = take(), take()
            local command = name == 'seconds_sum' and 'HINCRBYFLOAT' or 'HINCRBY'
            local total = call(command, P .. 'metrics', subscription .. ':' .. name, amount)
            -- of a subscription of which nothing was counted yet, the first is new
            if i == 1 and tonumber(total) == tonumber(amount) then call('ZADD', P .. 'pairs', '0', subscription) end
        end
    end
end

function write.events()
    for _ = 1, count() do
        local terms, tasks, ids = take(), take(), take_ids()
        local before = entry(terms, tasks, #ids)
        for i = 1, #ids do
            local id, position = ids[i], format(' %d', before + i)
            noted[id] = noted[id] and noted[id] .. position or position
        end
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
    if #endings > 0 then call('PUBLISH', P .. 'endings', table.concat(endings)) end
    call('PUBLISH', P .. 'news', '')
end

-- What is asked for ----------------------------------------------------------------------------------------------------

function seldom()
--! keep
--! seldom
end

local function run(sections, name)
    if not sections[name] then seldom() end
    return sections[name]()
end

local section = take()
while section and section ~= 'write' do
    local refusal = run(expected, section)
    if refusal then return {refusal, time[1], time[2], changed} end
    section = take()
end
if #changed > 0 then return {'changed', time[1], time[2], changed} end

section = take()
while section do
    run(write, section)
    section = take()
end
if next(noted) then
    seldom()
    keep_noted()
end
return {'ok', time[1], time[2], changed}
