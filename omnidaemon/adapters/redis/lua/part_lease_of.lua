-- When this run's lease ends. There are few lengths of leases, each with an index of its own.
local function lease_of(member)
    for _, length in ipairs(call('SMEMBERS', P .. 'lengths')) do
        local lease = call('ZSCORE', P .. 'leases:' .. length, member)
        if lease then return lease end
    end
    return false
end
