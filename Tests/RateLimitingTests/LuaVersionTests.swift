import Foundation
import Testing

@testable import RateLimiting

/// Debian's.
private enum LuaVersions {
    static let paths = ["/usr/bin/lua5.1", "/usr/bin/lua5.4"]
    static var areInstalled: Bool { paths.allSatisfy { FileManager.default.isExecutableFile(atPath: $0) } }
}

/// The scripts in Lua 5.1, which Redis and Valkey have, and in 5.4, which DragonflyDB has: a number that is computed has another text there unless it is
/// written out.
@Suite("The scripts in both versions of Lua", .enabled(if: LuaVersions.areInstalled))
struct LuaVersionTests {
    /// As much of a store as the scripts use. Refuses what is no text, and keys that were not given.
    private static let store = """
        local data, news = {}, {}
        local commands = {
          HGET = function(k, f) return (data[k] or {})[f] or false end,
          HMGET = function(k, ...) local r = {} for i, f in ipairs({...}) do r[i] = (data[k] or {})[f] or false end return r end,
          HSET = function(k, ...) data[k] = data[k] or {} local a = {...} for i = 1, #a, 2 do data[k][a[i]] = a[i + 1] end end,
          HDEL = function(k, f) if data[k] then data[k][f] = nil end end,
          HINCRBY = function(k, f, n) data[k] = data[k] or {} data[k][f] = string.format('%.0f', tonumber(data[k][f] or '0') + tonumber(n)) end,
          HGETALL = function(k) local names, r = {}, {} for f in pairs(data[k] or {}) do names[#names + 1] = f end table.sort(names)
            for _, f in ipairs(names) do r[#r + 1] = f r[#r + 1] = data[k][f] end return r end,
          LPUSH = function(k, v) data[k] = data[k] or {} table.insert(data[k], 1, v) end,
          RPUSH = function(k, v) data[k] = data[k] or {} table.insert(data[k], v) end,
          LTRIM = function(k, a, b) assert(a == '0' and b:match('^%d+$')) while #(data[k] or {}) > b + 1 do table.remove(data[k]) end end,
          LRANGE = function(k, a, b) assert(a == '0' and b:match('^%d+$')) local r = {} for i = 1, math.min(#(data[k] or {}), b + 1) do r[i] = data[k][i] end return r end,
          DEL = function(k) data[k] = nil end,
          SET = function(k, v) data[k] = v end,
          GETRANGE = function(k, a, b) assert(a == '0') return (data[k] or ''):sub(1, tonumber(b) + 1) end,
          GET = function(k) return data[k] or false end,
          PUBLISH = function(_, m) news[#news + 1] = m end,
        }
        local function text(v)
          if type(v) == 'table' then local r = {} for i = 1, #v do r[i] = text(v[i]) end return '[' .. table.concat(r, ' | ') .. ']' end
          return tostring(v)
        end
        local function run(script, keys, arguments)
          redis = {call = function(command, key, ...)
            local isGiven = command == 'PUBLISH'
            for _, k in ipairs(keys) do isGiven = isGiven or k == key end
            assert(isGiven, 'the key ' .. tostring(key) .. ' was not given')
            for _, v in ipairs({...}) do assert(type(v) == 'string', command .. ' was given what is no text') end
            return commands[command](key, ...)
          end}
          KEYS, ARGV = keys, arguments
          print(text((loadstring or load)(script)()))
        end

        """

    private func said(by lua: String, _ lines: String) throws -> [String] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: lua)
        process.arguments = ["-"]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        input.fileHandleForWriting.write(Data((Self.store + lines).utf8))
        try input.fileHandleForWriting.close()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    private func call(_ script: SharedScript, _ keys: [String], _ arguments: [String]) -> String {
        func list(_ texts: [String]) -> String { "{" + texts.map { "'\($0)'" }.joined(separator: ", ") + "}" }
        return "run([==[\(script.text)]==], \(list(keys)), \(list(arguments)))\n"
    }

    private var everything: String {
        let large = "4503599627370496"
        let turn = ["2000", "0", "0", "2", "c", "", "two.w"]
        return call(.found, ["s", "t"], ["", "", "e", large, "run", "1", "c", "\(large) 0 0 "])
            + call(.want, ["s", "w"], ["e", "two", "1", "c"])
            + call(.turn, ["s", "t", "l", "w", "r", "q"], ["e", large, "one", "a", ""] + turn + ["b", ""])
            + call(.turn, ["s", "t", "l", "w", "r"], ["e", "4503599627370497", "two", "c", ""] + turn)
            + call(.turn, ["s", "t", "l", "w", "r"], ["e", "4503599627370498", "two", "b", ""] + turn)
            + call(.pause, ["s"], ["x", "5000", "0", "c"]) + call(.pause, ["s"], ["y", "4000", "0", "c"])
            + call(.look, ["s", "t", "h", "d"], ["one", "e", "4503599627370498", "5", "card", "70000", "x", "4000", "secret"])
            + call(.finish, ["s", "l", "r"], ["c", "4503599627370498 two", "bytes", "1000", "1", "c"])
            + call(.token, ["k"], ["sealed", "c"]) + call(.probe, ["p"], ["x"])
            + "print(text(data.t) .. text(data.r) .. text(news))\n"
    }

    @Test("They say the same, to the letter, and every number that they compute is written out")
    func same() throws {
        let first = try said(by: LuaVersions.paths[0], everything)
        #expect(first == (try said(by: LuaVersions.paths[1], everything)))
        #expect(first.count == 12)
        #expect(first[2] == "[granted | 4503599627370497 | one | b]", "\(first)")
        #expect(first[4] == "[taken | 4503599627370497 one]")
        #expect(first.last?.hasPrefix("[4503599627370498 2000 0 two.w | 4503599627370497 2000 0 two.w]bytes[state | ") == true, "\(first)")
    }

    @Test("A number that is no text is refused by the store that they are tried with")
    func check() throws {
        for lua in LuaVersions.paths {
            let lines = "run([==[redis.call('LTRIM', KEYS[1], '0', 1 + 1)]==], {'t'}, {})"
            #expect(try said(by: lua, lines).contains { $0.contains("was given what is no text") })
        }
    }
}
