-- What a claim is decided upon: the guard, runs whose lease may have lapsed, and the due runs of some agents.
-- KEYS[1]: the namespace's prefix. ARGV: incarnation, lane, counter; the guard as the caller believes it is (seen,
-- terms, "" when it does not know), which is touched if it is so; then for each agent "topic/agent", how many due
-- runs, how many crashed ones.
-- Answers {"ok"|"lane", seconds, microseconds, latest counter, guard, touched, lapsed, leases, due by agent}; the
-- leases are, for each length, the first to run out and, where they are judged, the first that has not run out yet.
local P = KEYS[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local lanes = P .. 'lanes:' .. ARGV[1]
local latest = redis.call('HGET', lanes, ARGV[2])
if latest and tonumber(latest) > tonumber(ARGV[3]) then return {'lane', time[1], time[2], {tonumber(latest)}} end
redis.call('HSET', lanes, ARGV[2], ARGV[3])
redis.call('EXPIRE', lanes, 604800)

local guard = redis.call('HMGET', P .. 'guard', 'seen', 'terms')
local seen, terms = guard[1] or '', guard[2] or ''
local touched = 0
-- The caller saw no gap when it asked. Between that and now there may be one: the call was held up on the way.
local shortest = tonumber(string.match(terms, '^[^|]*|[^|]*|([^|]*)|'))
if ARGV[5] ~= '' and terms == ARGV[5] and tonumber(seen) >= tonumber(ARGV[4]) and now - tonumber(seen) <= shortest / 2 then
    seen = time[1] .. '.' .. string.format('%06d', time[2])
    redis.call('HSET', P .. 'guard', 'seen', seen)
    touched = 1
end

local function found(id, agent, score)
    local stored = redis.call('HMGET', P .. 't:' .. id, 'r:' .. agent, 't', 'f', 'b')
    return {id, agent, score, stored[1], stored[2], stored[3], stored[4]}
end

-- As the guard decides; the caller decides again, with the guard as it is by then.
local resumed, heard = string.match(terms, '^([^|]*)|([^|]*)|')
resumed, heard = tonumber(resumed), tonumber(heard)
local function is_judged(length)
    return not resumed or now >= resumed + length - (heard < length and heard or 0)
end

local lapsed, firsts = {}, {}
local micros = now * 1000000
local stamp = string.format('%.0f', micros)
for _, name in ipairs(redis.call('SMEMBERS', P .. 'lengths')) do
    local leases, length = P .. 'leases:' .. name, tonumber(name)
    local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2]
    local later
    local function add(low, high)
        local left = 500 - #lapsed
        if left <= 0 then return end
        local rows = redis.call('ZRANGEBYSCORE', leases, low, high, 'WITHSCORES', 'LIMIT', 0, left)
        for i = 1, #rows, 2 do
            local agent, id = string.match(rows[i], '^([^/]*)/(.*)$')
            lapsed[#lapsed + 1] = found(id, agent, rows[i + 1])
        end
    end
    if first and is_judged(length) then
        add('-inf', stamp)
        -- a lease reaches no further than its length; these do, so the server's clock was set back
        add('(' .. string.format('%.0f', micros + (length + 1) * 1000000), '+inf')
        later = redis.call('ZRANGEBYSCORE', leases, '(' .. stamp, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    end
    if first then
        firsts[#firsts + 1] = {name, first, later or false}
    else
        redis.call('SREM', P .. 'lengths', name)
    end
end

local due = {}
for i = 6, #ARGV, 3 do
    local subscription = ARGV[i]
    local agent = string.match(subscription, '/(.*)$')
    local runs = {}
    for offset, queue in ipairs({'due:', 'crashed:'}) do
        local rows = redis.call('ZRANGE', P .. queue .. subscription, 0, ARGV[i + offset], 'WITHSCORES')
        for row = 1, #rows, 2 do
            if tonumber(rows[row + 1]) <= micros then
                runs[#runs + 1] = found(rows[row], agent, rows[row + 1])
            else
                runs[#runs + 1] = {rows[row], agent, rows[row + 1]}
                break
            end
        end
    end
    due[#due + 1] = runs
end
return {'ok', time[1], time[2], {tonumber(latest or '0')}, {seen, terms}, touched, lapsed, firsts, due}
