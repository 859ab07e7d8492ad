-- All metrics, as {"topic/agent:name", amount, …}. KEYS[1]: the namespace's prefix.
return redis.call('HGETALL', KEYS[1] .. 'metrics')
