-- KEYS: the root of the bus. ARGV: consumer, how many subscriptions, topic and agent of each; then topic, agent and id
-- of each entry to give back. The consumer goes, and others that are dead for long, unless something is pending for
-- them: it would vanish.
local root, consumer, count = KEYS[1], ARGV[1], tonumber(ARGV[2])
for at = 3 + 2 * count, #ARGV, 3 do
    local queue = root .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1]
    redis.pcall('XCLAIM', queue, 'workers', '-', 0, ARGV[at + 2], 'IDLE', 3600000, 'JUSTID')
end
for at = 3, 2 + 2 * count, 2 do
    local queue = root .. ':queue:' .. ARGV[at] .. ':' .. ARGV[at + 1]
    local rows = redis.pcall('XINFO', 'CONSUMERS', queue, 'workers')
    for _, row in ipairs(rows) do
        local fields = {}
        for key = 1, #row, 2 do fields[row[key]] = row[key + 1] end
        local is_gone = fields.name == consumer or fields.idle > 3600000
        if fields.pending == 0 and is_gone then
            redis.call('XGROUP', 'DELCONSUMER', queue, 'workers', fields.name)
        end
    end
end
return 1
