-- The newest tasks of some indexes. KEYS[1]: the namespace's prefix. ARGV: below which position, how many of each, the
-- indexes. Answers {id, position, id, position, …} for each.
local P = KEYS[1]
local answers = {}
for i = 3, #ARGV do
    answers[#answers + 1] =
        redis.call('ZREVRANGEBYSCORE', P .. ARGV[i], '(' .. ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
end
return answers
