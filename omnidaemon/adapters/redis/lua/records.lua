-- All that is kept of some tasks. KEYS[1]: the namespace's prefix. ARGV: the agents' revision known, task ids.
-- Answers {seconds, microseconds, revision of the agents, the agents where the revision is another, for each known task
-- {id, when it is due where it is scheduled, else an empty text, its fields, the leases of its running runs by agent}}.
local P = KEYS[1]
local call = redis.call
local time = call('TIME')
local records = {}

--! lease_of

for at = 2, #ARGV do
    local id = ARGV[at]
    local fields = call('HGETALL', P .. 't:' .. id)
    if #fields > 0 then
        local leases = {}
        for i = 1, #fields, 2 do
            if string.sub(fields[i], 1, 2) == 'r:' and string.sub(fields[i + 1], 1, 8) == 'running\t' then
                local agent = string.sub(fields[i], 3)
                leases[#leases + 1] = agent
                leases[#leases + 1] = lease_of(agent .. '/' .. id)
            end
        end
        local scheduled = call('ZSCORE', P .. 'schedules', id) or ''
        records[#records + 1] = {id, scheduled, fields, leases}
    end
end
local revision = call('GET', P .. 'agents:revision') or '0'
local agents = revision == ARGV[1] and {} or call('HGETALL', P .. 'agents')
return {time[1], time[2], revision, agents, records}
