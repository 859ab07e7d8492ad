-- Have the bus under `root` forget entries of a queue, those whose ids are ARGV[first] to ARGV[last].
local function forget(root, topic, agent, first, last)
    local queue = root .. ':queue:' .. topic .. ':' .. agent
    for from = first, last, 1000 do
        local to = math.min(from + 999, last)
        call('XACK', queue, 'workers', unpack(ARGV, from, to))
        call('XDEL', queue, unpack(ARGV, from, to))
    end
end
