/// What is done in the store as one step: Lua (redis.io/docs/latest/develop/interact/programmability/eval-intro), for Redis and Valkey (Lua 5.1) and
/// DragonflyDB (5.4).
///
/// Every key is given to a script, and it touches no other. Numbers travel as text. The first write of a script is the one that errs to the
/// safe side: a turn lost, never one gained. Nothing is decided by the store's clock, by the expiry of a key or by a notification.
enum SharedScript: CaseIterable {
    case turn, finish, want, pause, token, found, look, probe

    /// Two years, in milliseconds: longer than anything that hosts tell each other.
    static let longestTime: Int64 = 2 * 366 * 86_400_000

    var text: String {
        switch self {
        case .turn: Self.choose + Self.turnText
        case .finish: Self.finishText
        case .want: Self.choose + Self.wantText
        case .pause: Self.pauseText
        case .token: Self.tokenText
        case .found: Self.foundText
        case .look: Self.lookText
        case .probe: Self.probeText
        }
    }

    /// Whose the next turn is before the others': the host with the most urgent lookup, of several the one whose last turn is longest ago.
    private static let choose = """
        local function choose(wants)
          local best, bestRank, bestTurn = '', nil, nil
          for i = 1, #wants, 2 do
            local rank, turn = string.match(wants[i + 1], '^(%d) (%d+)$')
            if rank then
              rank, turn = tonumber(rank), tonumber(turn)
              if not bestRank or rank < bestRank or (rank == bestRank and (turn < bestTurn or (turn == bestTurn and wants[i] < best))) then
                best, bestRank, bestTurn = wants[i], rank, turn
              end
            end
          end
          return best
        end

        """

    /// KEYS: state, list of turns, leases, wants, record, the others' records. ARGV: epoch, number that the host knows as the last, host, lookup, the lease that it takes over or
    /// '' (its own it may have anyway), milliseconds since that turn by the host's clock, whether it is background, the host's rank after it or '', how many turns to
    /// keep, channel, the code of the record that the host has seen or '', the caller's name, then lookups that may share the call, each with the code of its record. Answered with those that do.
    private static let turnText = """
        local state = redis.call('HMGET', KEYS[1], 'epoch', 'n', 'next')
        if state[1] ~= ARGV[1] then return {'foreign'} end
        if state[2] ~= ARGV[2] then return {'late'} end
        local lease = redis.call('HGET', KEYS[3], ARGV[4])
        if lease and lease ~= ARGV[5] and string.match(lease, ' (.*)$') ~= ARGV[3] then return {'taken', lease} end
        if redis.call('GETRANGE', KEYS[5], '0', '31') ~= ARGV[11] then return {'answered'} end
        local number = string.format('%.0f', tonumber(ARGV[2]) + 1)
        redis.call('HSET', KEYS[1], 'n', number)
        redis.call('LPUSH', KEYS[2], number .. ' ' .. ARGV[6] .. ' ' .. ARGV[7] .. ' ' .. ARGV[12])
        redis.call('LTRIM', KEYS[2], '0', string.format('%.0f', tonumber(ARGV[9]) - 1))
        redis.call('HSET', KEYS[3], ARGV[4], number .. ' ' .. ARGV[3])
        local granted = {'granted', number, ''}
        for i = 13, #ARGV, 2 do
          local other = redis.call('HGET', KEYS[3], ARGV[i])
          local isFree = not other or string.match(other, ' (.*)$') == ARGV[3]
          if isFree and redis.call('GETRANGE', KEYS[6 + (i - 13) / 2], '0', '31') == ARGV[i + 1] then
            redis.call('HSET', KEYS[3], ARGV[i], number .. ' ' .. ARGV[3])
            granted[#granted + 1] = ARGV[i]
          end
        end
        local passed = state[3]
        if passed and passed ~= '' and passed ~= ARGV[3] then
          local rank = string.match(redis.call('HGET', KEYS[4], passed) or '', '^(%d) ')
          if rank then redis.call('HSET', KEYS[4], passed, rank .. ' ' .. number) end
        end
        if ARGV[8] == '' then redis.call('HDEL', KEYS[4], ARGV[3]) else redis.call('HSET', KEYS[4], ARGV[3], ARGV[8] .. ' ' .. number) end
        local nextHost = choose(redis.call('HGETALL', KEYS[4]))
        redis.call('HSET', KEYS[1], 'next', nextHost)
        redis.call('PUBLISH', ARGV[10], 'turn ' .. ARGV[1] .. ' ' .. number .. ' ' .. ARGV[7] .. ' ' .. ARGV[12] .. ' ' .. nextHost)
        granted[3] = nextHost
        return granted
        """

    /// KEYS: state, leases, record. ARGV: lookup, lease, record or '', how long to keep it in milliseconds, '1' when Spotify answered, channel.
    private static let finishText = """
        if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
        if ARGV[3] ~= '' then redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4]) end
        redis.call('HDEL', KEYS[2], ARGV[1])
        local since = string.match(redis.call('HGET', KEYS[1], 'cooldown') or '', '^%S+ (%d+) ')
        local number = string.match(ARGV[2], '^(%d+) ')
        if ARGV[5] == '1' and since and tonumber(number) > tonumber(since) then redis.call('HDEL', KEYS[1], 'cooldown') end
        redis.call('PUBLISH', ARGV[6], (ARGV[3] ~= '' and 'record ' or 'freed ') .. ARGV[1])
        return 1
        """

    /// KEYS: state, wants. ARGV: epoch, host, rank or '', channel.
    private static let wantText = """
        local state = redis.call('HMGET', KEYS[1], 'epoch', 'next')
        if state[1] ~= ARGV[1] then return 0 end
        local turn = string.match(redis.call('HGET', KEYS[2], ARGV[2]) or '', ' (%d+)$') or '0'
        if ARGV[3] == '' then redis.call('HDEL', KEYS[2], ARGV[2]) else redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. turn) end
        local nextHost = choose(redis.call('HGETALL', KEYS[2]))
        if nextHost ~= state[2] then
          redis.call('HSET', KEYS[1], 'next', nextHost)
          redis.call('PUBLISH', ARGV[4], 'next ' .. ARGV[1] .. ' ' .. nextHost)
        end
        return 1
        """

    /// Whether it takes what it is given. KEYS: probe. ARGV: text.
    private static let probeText = """
        redis.call('SET', KEYS[1], ARGV[1], 'PX', '60000')
        return redis.call('GET', KEYS[1])
        """

    /// KEYS: state. ARGV: a name of the cooldown, its length in milliseconds, '1' for a spent quota, channel. The one stays of which more is left; one
    /// that is too long to be believed is none.
    private static let pauseText = """
        local name, known = string.match(redis.call('HGET', KEYS[1], 'cooldown') or '', '^(%S+) %d+ (%d+) ')
        local said, left = string.match(redis.call('HGET', KEYS[1], 'left') or '', '^(%S+) (%d+)$')
        if said == name and left and tonumber(left) < tonumber(known) then known = left end
        if name and tonumber(known) <= \(longestTime) and tonumber(known) >= tonumber(ARGV[2]) then return 0 end
        local n = redis.call('HGET', KEYS[1], 'n') or '0'
        redis.call('HSET', KEYS[1], 'cooldown', ARGV[1] .. ' ' .. n .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
        redis.call('PUBLISH', ARGV[4], 'state')
        return 1
        """

    /// KEYS: token. ARGV: the sealed token, channel.
    private static let tokenText = """
        redis.call('SET', KEYS[1], ARGV[1])
        redis.call('PUBLISH', ARGV[2], 'token')
        return 1
        """

    /// KEYS: state, list of turns. ARGV: the epoch and number that are to be replaced (''s: none), the new ones, the server's own name, protocol,
    /// channel, then the list, newest first.
    private static let foundText = """
        local state = redis.call('HMGET', KEYS[1], 'epoch', 'n')
        if (state[1] or '') ~= ARGV[1] or (state[2] or '') ~= ARGV[2] then return 0 end
        redis.call('DEL', KEYS[2])
        for i = 8, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
        redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'n', ARGV[4], 'server', ARGV[5], 'protocol', ARGV[6])
        redis.call('PUBLISH', ARGV[7], 'state')
        return 1
        """

    /// KEYS: state, list of turns, hosts, cards. ARGV: host, or '' for who only looks, epoch and number that it knows, how many turns at most, its card,
    /// for how many milliseconds nobody has called since that number or '', the name of a cooldown or '' and how many milliseconds are left of it at most,
    /// which secret it has.
    private static let lookText = """
        local before = redis.call('HGET', KEYS[4], ARGV[1]) or ''
        if ARGV[1] ~= '' then
          redis.call('HINCRBY', KEYS[3], ARGV[1], '1')
          if before ~= ARGV[5] then redis.call('HSET', KEYS[4], ARGV[1], ARGV[5], ARGV[1] .. '!', ARGV[9]) end
        end
        local state = redis.call('HMGET', KEYS[1], 'protocol', 'epoch', 'n', 'server', 'next', 'cooldown', 'idle', 'left')
        if ARGV[6] ~= '' and state[2] == ARGV[2] and state[3] == ARGV[3] then
          local said = string.match(state[7] or '', '^' .. ARGV[3] .. ' (%d+)$')
          if not said or tonumber(said) < tonumber(ARGV[6]) then redis.call('HSET', KEYS[1], 'idle', ARGV[3] .. ' ' .. ARGV[6]) end
        end
        local cooldown = string.match(state[6] or '', '^(%S+) ')
        if cooldown and cooldown == ARGV[7] then
          local name, left = string.match(state[8] or '', '^(%S+) (%d+)$')
          if name ~= cooldown or tonumber(left) - tonumber(ARGV[8]) >= 1000 then redis.call('HSET', KEYS[1], 'left', cooldown .. ' ' .. ARGV[8]) end
        end
        for i = 1, 8 do state[i] = state[i] or '' end
        local most = tonumber(ARGV[4])
        local missed = most
        if state[2] == ARGV[2] and tonumber(state[3]) then missed = math.min(most, tonumber(state[3]) - tonumber(ARGV[3])) end
        local turns = {}
        if missed > 0 then turns = redis.call('LRANGE', KEYS[2], '0', string.format('%.0f', missed - 1)) end
        return {state, turns, redis.call('HGETALL', KEYS[3]), redis.call('HGETALL', KEYS[4]), before, redis.call('LRANGE', KEYS[2], '0', '0')}
        """
}
