-- Want workers drained, if all of them are known. KEYS[1]: the namespace's prefix. ARGV: their incarnations.
-- Answers the first that is not known, or nil.
local P = KEYS[1]
for _, incarnation in ipairs(ARGV) do
    if redis.call('HEXISTS', P .. 'workers', incarnation) == 0 then return incarnation end
end
for _, incarnation in ipairs(ARGV) do redis.call('SADD', P .. 'drains', incarnation) end
redis.call('PUBLISH', P .. 'bell', '')
return nil
