-- Record a worker's heartbeat. KEYS[1]: the namespace's prefix. ARGV: incarnation, report, the agents' revision known.
-- Answers {whether somebody wants the worker drained, revision, the agents, where the revision is another}.
local P = KEYS[1]
local time = redis.call('TIME')
redis.call('HSET', P .. 'workers', ARGV[1], time[1] .. string.format('%06d', time[2]) .. ' ' .. ARGV[2])
local is_drained = redis.call('SISMEMBER', P .. 'drains', ARGV[1])
local revision = redis.call('GET', P .. 'agents:revision') or '0'
if revision == ARGV[3] then return {is_drained, revision} end
return {is_drained, revision, redis.call('HGETALL', P .. 'agents')}
