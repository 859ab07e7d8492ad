-- Write an entry of the journal: events that share these terms, one for each of these tasks; `tasks` are their ids as
-- the entry keeps them. It needs P, the namespace's prefix.
local function note(terms, tasks, ids)
    local before = redis.call('INCRBY', P .. 'journal:latest', #ids) - #ids
    redis.call('XADD', P .. 'journal', (before + 1) .. '-0', 'e', terms, 't', tasks)
    for at, id in ipairs(ids) do redis.call('RPUSH', P .. 'journal:' .. id, before + at) end
end
