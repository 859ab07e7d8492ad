-- Log tasks where absent, and name the agents that have to answer for them.
-- KEYS[1]: the namespace's prefix. ARGV: the roster; the kind of the journal's entry; "1" to answer with who has each
-- idempotency key; then for each task: id, topic, created, body, "topic/key" or "", due time or "".
-- Answers {"ok", seconds, microseconds, reservations} or {"agents", seconds, microseconds, revision, "topic/agent" …}.
local P = KEYS[1]
local call = redis.call
local time = call('TIME')
--! all
--! note
--! log

function seldom()
--! keep
--! unlogged
end

local names, refusal = staying()
if refusal then return refusal end
local kind, reserves = ARGV[roster_end + 1], ARGV[roster_end + 2] == '1'
local now = time[1] .. '.' .. format('%06d', time[2])
local groups, delayed, owners = {}, {}, {}
for i = roster_end + 3, #ARGV, 6 do
    local id, key, due, owner = ARGV[i], ARGV[i + 4], ARGV[i + 5], ARGV[i]
    if reserves then
        if call('HSETNX', P .. 'keys', key, id) == 0 then
            owner = call('HGET', P .. 'keys', key)
        elseif call('EXISTS', P .. 't:' .. id) == 0 then
            call('ZADD', P .. 'unconfirmed', now, id)
        end
    end
    owners[#owners + 1] = owner
    if owner == id then
        if due ~= '' then
            call('ZADD', P .. 'schedules', 'NX', due, id)
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
for _, group in ipairs(groups) do log(group, names[group.topic], kind) end
if next(noted) then keep_noted() end
for _, task in ipairs(delayed) do
    call('ZADD', P .. 'scheduled:' .. task[2], call('HGET', P .. 't:' .. task[1], 'n'), task[1])
end

local reservations = {}
if reserves then
    for at, owner in ipairs(owners) do
        local stored = call('HMGET', P .. 't:' .. owner, 't', 'f', 'b')
        local is_confirmed = call('ZSCORE', P .. 'unconfirmed', owner) and 0 or 1
        reservations[at] = {owner, stored[1], stored[2], stored[3], is_confirmed}
    end
end
if #delayed > 0 then call('PUBLISH', P .. 'bell', '') end
return {'ok', time[1], time[2], reservations}
