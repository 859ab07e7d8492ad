-- Whether a command has failed because its queue is not there.
local function is_missing(reply)
    return type(reply) == 'table' and reply.err and string.find(reply.err, 'NOGROUP', 1, true) ~= nil
end
