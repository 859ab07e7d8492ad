-- Log published tasks where absent, and name the agents that have to answer for them.
-- KEYS[1]: the namespace's prefix. ARGV: the revision of the agents that the names come from; "1" to answer with who
-- has each idempotency key; then for each task: id, topic, created, body, "topic/key" or "", due time or "", the
-- journal's entry, the names of its agents joined by commas.
-- Answers {"ok", seconds, microseconds, reservations} or {"agents", seconds, microseconds, revision, agents}.
local P = KEYS[1]
local time = redis.call('TIME')
local revision = redis.call('GET', P .. 'agents:revision') or '0'
if revision ~= ARGV[1] then return {'agents', time[1], time[2], revision, redis.call('HGETALL', P .. 'agents')} end

-- Agents that are being removed just now, under this revision, are named by no task any more.
local leaving, is_anybody_leaving = {}, false
local marks = redis.call('HGETALL', P .. 'leaving')
for i = 1, #marks, 2 do
    if marks[i + 1] == revision then
        leaving[marks[i]] = true
        is_anybody_leaving = true
    end
end
local function staying(topic, named)
    if not is_anybody_leaving then return named end
    local names = {}
    for agent in string.gmatch(named, '[^,]+') do
        if not leaving[topic .. '/' .. agent] then names[#names + 1] = agent end
    end
    return table.concat(names, ',')
end

local now = time[1] .. '.' .. string.format('%06d', time[2])
local is_scheduled = false

local function log(id, topic, created, body, event, named)
    local key = P .. 't:' .. id
    local stored = redis.call('HMGET', key, 'n', 'a')
    local position = stored[1]
    if stored[2] then return end
    -- with no agent at all is not the same as without those whose run was deleted later
    local names = named == '' and '*' or named
    if position then
        redis.call('HSET', key, 'a', names)
        redis.call('ZREM', P .. 'unbegun:' .. topic .. '/', id)
    else
        position = redis.call('INCR', P .. 'tasks:latest')
        redis.call('HSET', key, 'n', position, 't', topic, 'c', created, 'f', '', 'b', body, 'a', names)
        redis.call('ZADD', P .. 'tasks', position, id)
    end
    if named == '' then redis.call('ZADD', P .. 'unbegun:' .. topic .. '/', position, id) end
    for agent in string.gmatch(named, '[^,]+') do
        if not stored[1] or redis.call('HEXISTS', key, 'r:' .. agent) == 0 then
            redis.call('ZADD', P .. 'unbegun:' .. topic .. '/' .. agent, position, id)
        end
    end
    local latest = redis.call('INCR', P .. 'journal:latest')
    redis.call('XADD', P .. 'journal', latest .. '-0', 't', id, 'e', event)
    redis.call('RPUSH', P .. 'journal:' .. id, latest)
end

local reservations = {}
for i = 3, #ARGV, 8 do
    local id, topic, created, body, key, due = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
    redis.call('SADD', P .. 'subscriptions', topic .. '/')
    local owner = id
    if ARGV[2] == '1' then
        if redis.call('HSETNX', P .. 'keys', key, id) == 0 then
            owner = redis.call('HGET', P .. 'keys', key)
        elseif redis.call('EXISTS', P .. 't:' .. id) == 0 then
            redis.call('ZADD', P .. 'unconfirmed', now, id)
        end
    end
    if owner == id then
        if due ~= '' then
            redis.call('ZADD', P .. 'schedules', 'NX', due, id)
            is_scheduled = true
        end
        log(id, topic, created, body, ARGV[i + 6], staying(topic, ARGV[i + 7]))
    end
    if ARGV[2] == '1' then
        local stored = redis.call('HMGET', P .. 't:' .. owner, 't', 'f', 'b')
        local is_confirmed = redis.call('ZSCORE', P .. 'unconfirmed', owner) and 0 or 1
        reservations[#reservations + 1] = {owner, stored[1], stored[2], stored[3], is_confirmed}
    end
end
if is_scheduled then redis.call('PUBLISH', P .. 'bell', '') end
return {'ok', time[1], time[2], reservations}
