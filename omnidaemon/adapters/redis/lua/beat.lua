-- Record a worker's heartbeat. KEYS[1]: the namespace's prefix. ARGV: incarnation, report, the agents' revision known, a
-- new epoch. Answers {the server's epoch, which is new when its data are, whether somebody wants the worker drained,
-- revision, the agents, where the revision is another}.
local P = KEYS[1]
local time = redis.call('TIME')
-- As wherever agents are written (apply.lua), should nobody write any before: the revision is not one from before.
if redis.call('SET', P .. 'epoch', ARGV[4], 'NX') then
    redis.call('SET', P .. 'agents:revision', time[1] .. string.format('%06d', time[2]), 'NX')
end
redis.call('HSET', P .. 'workers', ARGV[1], time[1] .. string.format('%06d', time[2]) .. ' ' .. ARGV[2])
local epoch = redis.call('GET', P .. 'epoch')
local is_drained = redis.call('SISMEMBER', P .. 'drains', ARGV[1])
local revision = redis.call('GET', P .. 'agents:revision') or '0'
if revision == ARGV[3] then return {epoch, is_drained, revision} end
return {epoch, is_drained, revision, redis.call('HGETALL', P .. 'agents')}
