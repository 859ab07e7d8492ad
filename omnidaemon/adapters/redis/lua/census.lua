-- All agents and workers. KEYS[1]: the namespace's prefix.
-- Answers {seconds, microseconds, the agents' revision, agents, workers, those that shall drain}.
local P = KEYS[1]
local time = redis.call('TIME')
local revision = redis.call('GET', P .. 'agents:revision') or '0'
local agents, workers = redis.call('HGETALL', P .. 'agents'), redis.call('HGETALL', P .. 'workers')
return {time[1], time[2], revision, agents, workers, redis.call('SMEMBERS', P .. 'drains')}
