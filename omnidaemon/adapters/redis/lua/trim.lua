-- Drop the journal's oldest entries, up to the one that begins at a position. KEYS[1]: the namespace's prefix. ARGV: the
-- position.
local P = KEYS[1]
for _, entry in ipairs(redis.call('XRANGE', P .. 'journal', '-', ARGV[1] .. '-0')) do
    for _, id in ipairs(cjson.decode(entry[2][4])) do redis.call('LPOP', P .. 'journal:' .. id) end
end
return redis.call('XTRIM', P .. 'journal', 'MINID', tostring(tonumber(ARGV[1]) + 1) .. '-0')
