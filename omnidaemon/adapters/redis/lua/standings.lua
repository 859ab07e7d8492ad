-- How some tasks stand, without what they say. KEYS[1]: the namespace's prefix. ARGV: the agents' revision known, task
-- ids. Answers {revision of the agents, the agents where the revision is another, the tasks in this order}: for some that
-- follow one another {agents, {topic, created, agents named, "1" where it is cancelled as a whole, when it is due where it
-- is scheduled, nil, the record of each of those agents' runs} for each task}. What there is not is nil.
local P, call = KEYS[1], redis.call
local MOST = 40
local has_schedules = call('EXISTS', P .. 'schedules') == 1
local revision = call('GET', P .. 'agents:revision') or '0'

-- Which runs a task has is not known before all its fields are read, bodies too. But nearly always they are those of
-- tasks before it, and whether these were all is told by how many fields there are: two are not asked for.
local FIRST = 7 -- of the runs
local fields, tasks, answers = {'t', 'c', 'a', 'x', 'j', 'f'}, nil, {}

local function ask_for_runs_of(key)
    local names, agents, asked = {}, {}, {}
    if #fields <= MOST then
        for i = FIRST, #fields do names[#names + 1], asked[fields[i]] = fields[i], true end
    end
    local known = call('HGETALL', key)
    for i = 1, #known, 2 do
        if string.sub(known[i], 1, 2) == 'r:' and not asked[known[i]] then names[#names + 1] = known[i] end
    end
    table.sort(names)
    fields, tasks = {unpack(fields, 1, FIRST - 1)}, {}
    for i, name in ipairs(names) do fields[#fields + 1], agents[i] = name, string.sub(name, 3) end
    answers[#answers + 1] = {agents, tasks}
end

local function values_of(key)
    local values = call('HMGET', key, unpack(fields, 1, math.min(#fields, 1000)))
    for i = 1001, #fields do values[i] = call('HGET', key, fields[i]) end
    return values
end

for at = 2, #ARGV do
    local key = P .. 't:' .. ARGV[at]
    local values, count = nil, 2
    if tasks then
        values = values_of(key)
        for i = 1, #values do
            if values[i] then count = count + 1 end
        end
    end
    if not tasks or call('HLEN', key) ~= count then
        ask_for_runs_of(key)
        values = values_of(key)
    end
    values[5], values[6] = has_schedules and call('ZSCORE', P .. 'schedules', ARGV[at]), false
    tasks[#tasks + 1] = values
end
return {revision, revision == ARGV[1] and {} or call('HGETALL', P .. 'agents'), answers}
