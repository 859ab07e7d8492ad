-- Which of the tasks are cancelled, unknown or have an ended run. KEYS[1]: the namespace's prefix. ARGV: task ids.
local P = KEYS[1]
local ENDS = {succeeded = true, dead = true, cancelled = true, skipped = true}
local ended = {}
for _, id in ipairs(ARGV) do
    local fields = redis.call('HGETALL', P .. 't:' .. id)
    local is_worth_a_look = #fields == 0
    for i = 1, #fields, 2 do
        local name = fields[i]
        if name == 'x' then is_worth_a_look = true end
        if string.sub(name, 1, 2) == 'r:' and ENDS[string.match(fields[i + 1], '^(%a+)')] then is_worth_a_look = true end
    end
    if is_worth_a_look then ended[#ended + 1] = id end
end
return ended
