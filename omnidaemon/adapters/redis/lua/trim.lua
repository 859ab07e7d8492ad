-- Drop the journal's oldest entries, up to a position. KEYS[1]: the namespace's prefix. ARGV: the position.
local P = KEYS[1]
for _, entry in ipairs(redis.call('XRANGE', P .. 'journal', '-', ARGV[1] .. '-0')) do
    redis.call('LPOP', P .. 'journal:' .. entry[2][2])
end
return redis.call('XTRIM', P .. 'journal', 'MINID', tostring(tonumber(ARGV[1]) + 1) .. '-0')
