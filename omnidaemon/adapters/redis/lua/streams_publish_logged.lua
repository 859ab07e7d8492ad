-- Log tasks where absent, then publish each of them: both, or neither.
-- KEYS: the namespace's prefix, the root of the bus. ARGV: the roster, then groups: a topic, how many tasks, and for each
-- of these id, time of creation, body. Answers {"ok", seconds, microseconds, how many agents those of each group
-- reached} or {"agents", …} as the log does.
local P, root = KEYS[1], KEYS[2]
local call = redis.call
local time = call('TIME')
--! all
--! note
--! log
--! append

function seldom()
--! keep
--! unlogged
end

local names, refusal = staying()
if refusal then return refusal end
local receivers, at = {}, roster_end + 1
while at < #ARGV do
    local group = group_of(ARGV[at])
    local topic, ids, created, bodies = group.topic, group.ids, group.created, group.bodies
    local last = at + 1 + 3 * ARGV[at + 1]
    for first = at + 2, last, 3 do
        local next = #ids + 1
        ids[next], created[next], bodies[next] = ARGV[first], ARGV[first + 1], ARGV[first + 2]
    end
    log(group, names[topic], 'published')
    receivers[#receivers + 1] = append(topic, ids, bodies)
    at = last + 1
end
if next(noted) then keep_noted() end
return {'ok', time[1], time[2], receivers}
