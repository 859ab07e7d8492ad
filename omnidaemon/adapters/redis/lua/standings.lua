-- How some tasks stand, without what they say. KEYS[1]: the namespace's prefix. ARGV: the agents' revision known, task
-- ids. Answers {revision of the agents, the agents where the revision is another, the tasks in this order}: for some
-- that follow one another {agents, {topic, created, agents named, "1" where it is cancelled as a whole, when it is due
-- where it is scheduled, nil, the record of each of those agents' runs} for each task}. What there is not is nil.
local P, call = KEYS[1], redis.call
local has_schedules = call('EXISTS', P .. 'schedules') == 1
local revision = call('GET', P .. 'agents:revision') or '0'

-- A task is asked for the runs of those agents whom the one before it had, since nearly always they are the same; where
-- others are named for it, for theirs. Whether it has any other run is told by how many fields it has.
local UNASKED = 2
local named, fields, tasks
local answers, agents_by_names = {}, {}

local function ask_for_runs_of(agents)
    fields, tasks = {'t', 'c', 'a', 'x', 'j', 'f'}, {}
    for i, agent in ipairs(agents) do fields[i + 6] = 'r:' .. agent end
    answers[#answers + 1] = {agents, tasks}
end

local function named_agents()
    local agents = agents_by_names[named]
    if not agents then
        agents = {}
        for agent in string.gmatch(named, '[^,*]+') do agents[#agents + 1] = agent end
        table.sort(agents)
        agents_by_names[named] = agents
    end
    return agents
end

local function agents_of(key)
    local agents, all = {}, call('HGETALL', key)
    for i = 1, #all, 2 do
        if string.sub(all[i], 1, 2) == 'r:' then agents[#agents + 1] = string.sub(all[i], 3) end
    end
    table.sort(agents)
    return agents
end

local function values_of(key)
    local values = call('HMGET', key, unpack(fields, 1, math.min(#fields, 1000)))
    for i = 1001, #fields do values[i] = call('HGET', key, fields[i]) end
    return values
end

local function is_all(key, values)
    local count = UNASKED
    for i = 1, #values do
        if values[i] then count = count + 1 end
    end
    return call('HLEN', key) == count
end

ask_for_runs_of({})
for at = 2, #ARGV do
    local key = P .. 't:' .. ARGV[at]
    local values = values_of(key)
    if (values[3] or '') ~= named then
        named = values[3] or ''
        ask_for_runs_of(named_agents())
        values = values_of(key)
    end
    if not is_all(key, values) then
        agents_by_names[named] = agents_of(key)
        ask_for_runs_of(named_agents())
        values = values_of(key)
    end
    values[5], values[6] = has_schedules and call('ZSCORE', P .. 'schedules', ARGV[at]), false
    tasks[#tasks + 1] = values
end
return {revision, revision == ARGV[1] and {} or call('HGETALL', P .. 'agents'), answers}
