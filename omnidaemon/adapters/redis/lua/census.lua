-- All agents and workers. KEYS[1]: the namespace's prefix.
-- Answers {seconds, microseconds, the agents' revision, agents, workers}.
local P = KEYS[1]
local time = redis.call('TIME')
local revision = redis.call('GET', P .. 'agents:revision') or '0'
return {time[1], time[2], revision, redis.call('HGETALL', P .. 'agents'), redis.call('HGETALL', P .. 'workers')}
