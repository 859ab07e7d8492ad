-- Log tasks where absent, then publish each of them: both, or neither.
-- KEYS: the namespace's prefix, the root of the bus. ARGV: the roster, then for each task: id, topic, created, body.
-- Answers {"ok", seconds, microseconds, how many agents each reached} or {"agents", …} as the log does.
local P, root = KEYS[1], KEYS[2]
local time = redis.call('TIME')
--! note
--! log
--! append

local refusal = another_roster()
if refusal then return refusal end
local tasks, receivers = {}, {}
for at = roster_end + 1, #ARGV, 4 do
    tasks[#tasks + 1] = {ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]}
end
log(unlogged(tasks), 'published')
for at, task in ipairs(tasks) do receivers[at] = append(task[1], task[2], task[4]) end
return {'ok', time[1], time[2], receivers}
