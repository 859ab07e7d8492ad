-- KEYS: the root of the bus. ARGV: a new epoch. Returns the server's, which is new when its data are.
redis.call('SET', KEYS[1] .. ':epoch', ARGV[1], 'NX')
return redis.call('GET', KEYS[1] .. ':epoch')
