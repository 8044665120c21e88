import Glibc
import Platform
import TestServers
import Testing

@testable import RESP

@Suite("Commands and faults")
struct CommandTests {
    @Test("Commands are arrays of bulk strings whose lengths count bytes")
    func form() {
        var commands = CommandBuffer()
        commands.begin(3)
        commands.part("SET")
        commands.part(Array("ü\r\n".utf8))
        commands.part(Int64(-12))
        commands.command("PING")
        #expect(String(decoding: commands.bytes, as: UTF8.self) == "*3\r\n$3\r\nSET\r\n$4\r\nü\r\n\r\n$3\r\n-12\r\n*1\r\n$4\r\nPING\r\n")
        #expect(commands.count == 2)
        commands.clear()
        #expect(commands.bytes.isEmpty && commands.count == 0)
    }

    @Test("A part that is appended by its writer has the length that was named")
    func written() {
        var commands = CommandBuffer()
        commands.part(count: 10) { $0.append(contentsOf: Array("0123456789".utf8)) }
        #expect(String(decoding: commands.bytes, as: UTF8.self) == "$10\r\n0123456789\r\n")
    }

    @Test(
        "an error reply is known for what it is",
        arguments: [
            ("LOADING Redis is loading the dataset in memory", 2), ("NOAUTH Authentication required.", 3),
            ("WRONGPASS invalid username-password pair", 3), ("MOVED 3999 127.0.0.1:6381", 5),
            ("DENIED Redis is running in protected mode", 5),
        ])
    func kinds(_ reply: String, _ kind: Int) {
        #expect(StoreFault(reply: reply).kind == kind)
    }
}

/// What a server says to one command.
private func ask(_ connection: RedisConnection, _ parts: String...) throws -> String {
    var commands = CommandBuffer()
    commands.begin(parts.count)
    for part in parts { commands.part(Array(part.utf8)) }
    var said = "nothing"
    try connection.exchange(commands) { (_, reply) throws(StoreFault) in
        said =
            switch reply {
            case .status(let text): "status \(text)"
            case .error(let text): "error \(text)"
            case .integer(let number): "integer \(number)"
            case .bytes(let bytes): "bytes \(String(decoding: bytes, as: UTF8.self))"
            case .array(let items): "array of \(items.count)"
            case .none: "none"
            }
    }
    return said
}

@Suite("A connection", .enabled(if: RedisServer.isInstalled))
struct RedisConnectionTests {
    private func connect(_ server: RedisServer, password: String? = nil, longestReply: Int = 1 << 20) throws -> RedisConnection {
        try RedisConnection(
            RedisEndpoint(host: "unix:" + server.socket, password: password, timeout: .seconds(5)), longestReply: longestReply)
    }

    @Test("Each kind of reply is handed over as what it is")
    func replies() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let connection = try connect(server)
        #expect(try ask(connection, "SET", "a", "1") == "status OK")
        #expect(try ask(connection, "INCR", "a") == "integer 2")
        #expect(try ask(connection, "GET", "a") == "bytes 2")
        #expect(try ask(connection, "GET", "b") == "none")
        #expect(try ask(connection, "MGET", "a", "b") == "array of 2")
        #expect(try ask(connection, "LPOP", "a").hasPrefix("error WRONGTYPE"))
    }

    @Test("A server that does not know AUTH repeats what came with it, and that is told to nobody")
    func unknownCommand() throws {
        let server = try RedisServer(["--rename-command", "AUTH", "HIDDEN"])
        defer { withExtendedLifetime(server) {} }
        for password in ["swordfish", String(repeating: "swordfish", count: 20)] {
            #expect { _ = try connect(server, password: password) } throws: { error in
                let text = "\(error)"
                return text.contains("unknown command") && !text.contains("sword")
            }
        }
    }

    @Test("News may come right behind the answer to SUBSCRIBE")
    func news() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let connection = try connect(server)
        func subscribe(_ channel: String) -> CommandBuffer {
            var commands = CommandBuffer()
            commands.begin(2)
            commands.part("SUBSCRIBE")
            commands.part(Array(channel.utf8))
            return commands
        }
        // Two replies lie there when the first of them is waited for.
        for channel in ["a", "b"] {
            #expect(connection.sendAtOnce(subscribe(channel).bytes))
            usleep(200_000)
        }
        #expect(try connection.ask(subscribe("c"), isFollowed: true).first?.items?[1].text == "a")
        var messages: [RedisValue] = []
        for _ in 0..<50 where messages.isEmpty { messages = try connection.messages(within: .milliseconds(100)) }
        #expect(messages.first?.items?[1].text == "b")
    }

    @Test("A password that is missing is said when connecting")
    func password() throws {
        let server = try RedisServer(["--requirepass", "swordfish"])
        defer { withExtendedLifetime(server) {} }
        #expect { _ = try connect(server) } throws: { if case .password = $0 as? StoreFault { true } else { false } }
        #expect(try ask(try connect(server, password: "swordfish"), "PING") == "status PONG")
    }

    @Test("A reply that is longer than it may be ends the exchange")
    func longReply() throws {
        let server = try RedisServer()
        defer { withExtendedLifetime(server) {} }
        let connection = try connect(server, longestReply: 100_000)
        _ = try ask(connection, "SET", "long", String(repeating: "x", count: 1_000_000))
        #expect(throws: StoreFault.foreign("an answer that does not end")) { try ask(connection, "GET", "long") }
    }

    @Test("A server that does not answer costs the deadline and no more, and one that is gone is not waited for")
    func silence() throws {
        let server = try RedisServer()
        let connection = try RedisConnection(
            RedisEndpoint(host: "unix:" + server.socket, timeout: .milliseconds(100)), longestReply: 1000)
        server.freeze()
        #expect(throws: StoreFault.silent) { try ask(connection, "PING") }
        server.kill()
        #expect { _ = try ask(connection, "PING") } throws: { if case .unreachable = $0 as? StoreFault { true } else { false } }
    }
}
