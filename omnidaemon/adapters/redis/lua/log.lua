-- Log tasks where absent, and name the agents that have to answer for them.
-- KEYS[1]: the namespace's prefix. ARGV: the roster; the kind of the journal's entry; "1" to answer with who has each
-- idempotency key; then for each task: id, topic, created, body, "topic/key" or "", due time or "".
-- Answers {"ok", seconds, microseconds, reservations} or {"agents", seconds, microseconds, revision, "topic/agent" …}.
local P = KEYS[1]
local time = redis.call('TIME')
--! all
--! note
--! log

local refusal = another_roster()
if refusal then return refusal end
local kind, reserves = ARGV[roster_end + 1], ARGV[roster_end + 2] == '1'
local now = time[1] .. '.' .. string.format('%06d', time[2])
local groups, delayed, owners = {}, {}, {}
for i = roster_end + 3, #ARGV, 6 do
    local id, key, due, owner = ARGV[i], ARGV[i + 4], ARGV[i + 5], ARGV[i]
    if reserves then
        if redis.call('HSETNX', P .. 'keys', key, id) == 0 then
            owner = redis.call('HGET', P .. 'keys', key)
        elseif redis.call('EXISTS', P .. 't:' .. id) == 0 then
            redis.call('ZADD', P .. 'unconfirmed', now, id)
        end
    end
    owners[#owners + 1] = owner
    if owner == id then
        if due ~= '' then
            redis.call('ZADD', P .. 'schedules', 'NX', due, id)
            delayed[#delayed + 1] = {id, ARGV[i + 1]}
        end
        local topic, group = ARGV[i + 1], groups[#groups]
        if not group or group.topic ~= topic then
            group = group_of(topic)
            groups[#groups + 1] = group
        end
        local next = #group.ids + 1
        group.ids[next], group.created[next], group.bodies[next] = id, ARGV[i + 2], ARGV[i + 3]
    end
end
log(groups, kind)
for _, task in ipairs(delayed) do
    redis.call('ZADD', P .. 'scheduled:' .. task[2], redis.call('HGET', P .. 't:' .. task[1], 'n'), task[1])
end

local reservations = {}
if reserves then
    for at, owner in ipairs(owners) do
        local stored = redis.call('HMGET', P .. 't:' .. owner, 't', 'f', 'b')
        local is_confirmed = redis.call('ZSCORE', P .. 'unconfirmed', owner) and 0 or 1
        reservations[at] = {owner, stored[1], stored[2], stored[3], is_confirmed}
    end
end
if #delayed > 0 then redis.call('PUBLISH', P .. 'bell', '') end
return {'ok', time[1], time[2], reservations}
