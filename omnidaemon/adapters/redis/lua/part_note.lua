-- The journal. It needs P, the namespace's prefix, and a function `seldom` that makes what is in the part `keep`: a
-- call that does without is done sooner. Of each task the positions of its events are kept with it, as text in its
-- field "j", while it is there and they are few, since each event writes that text anew; else in a list of their own,
-- which comes before.
local noted = {}
local FEW = 500 -- characters
local seldom, list_positions, keep_noted

-- Numbers go to commands as text: the server takes twice as long to make it.
local format = string.format

-- So many numbers of a sequence: the one before the first.
local function numbers(name, many) return call('INCRBY', P .. name, format('%d', many)) - many end

-- Write an entry: events that share these terms, one for each of so many tasks; `tasks` are their ids as the entry
-- keeps them. The position before the first: whoever writes the tasks writes what is noted of them too.
local function entry(terms, tasks, many)
    local before = numbers('journal:latest', many)
    call('XADD', P .. 'journal', format('%d-0', before + 1), 'e', terms, 't', tasks)
    return before
end

-- The text of a task's field "j" once these positions are added to what it was.
local function with_noted(id, before, positions)
    if not before or #before <= FEW then return (before or '') .. positions end
    seldom()
    list_positions(id, before)
    return positions
end
