-- Log tasks where absent, then publish each of them: both, or neither.
-- KEYS: the namespace's prefix, the root of the bus. ARGV: the roster, then groups: a topic, how many tasks, and for each
-- of these id, time of creation, body. Answers {"ok", seconds, microseconds, how many agents those of each group
-- reached} or {"agents", …} as the log does.
local P, root = KEYS[1], KEYS[2]
local time = redis.call('TIME')
--! all
--! note
--! log
--! append

local refusal = another_roster()
if refusal then return refusal end
local groups, receivers = {}, {}
local at = roster_end + 1
while at < #ARGV do
    local group = group_of(ARGV[at])
    local ids, created, bodies, last = group.ids, group.created, group.bodies, at + 1 + 3 * ARGV[at + 1]
    for first = at + 2, last, 3 do
        local next = #ids + 1
        ids[next], created[next], bodies[next] = ARGV[first], ARGV[first + 1], ARGV[first + 2]
    end
    groups[#groups + 1] = group
    at = last + 1
end
log(groups, 'published')
for index, group in ipairs(groups) do
    receivers[index] = append(group.topic, group.ids, group.bodies)
end
return {'ok', time[1], time[2], receivers}
