-- Many members in few commands, each of as many as Lua's stack takes; what these answer, added up. `option` comes before
-- the members.
local function all(command, key, members, option)
    local total = 0
    for first = 1, #members, 1000 do
        local last = first + 999 < #members and first + 999 or #members
        if option then
            total = total + call(command, key, option, unpack(members, first, last))
        else
            total = total + call(command, key, unpack(members, first, last))
        end
    end
    return total
end
