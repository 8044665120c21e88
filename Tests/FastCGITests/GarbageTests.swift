import CSystem
import Glibc
import Testing

@testable import FastCGI

/// What must end a connection, and nothing else. The loop has one thread, so a hang or a crash shows in the next answer.
@Suite("Garbage") struct GarbageTests {
    static let parameters = Wire.stream(4, Wire.pairs([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")]))

    struct Wrong: CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]

        init(_ name: String, _ bytes: [UInt8]) {
            testDescription = name
            self.bytes = bytes
        }
    }

    static let wrong: [Wrong] = [
        Wrong("HTTP", Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)),
        Wrong("zeros", [UInt8](repeating: 0, count: 100)),
        Wrong("another version", Wire.record(1, [0, 1, 1, 0, 0, 0, 0, 0], version: 2)),
        Wrong("request id 0", Wire.begin(id: 0)),
        Wrong("authorizer", Wire.begin(role: 2) + parameters),
        Wrong("filter", Wire.begin(role: 3) + parameters),
        Wrong("role 0", Wire.begin(role: 0) + parameters),
        Wrong("begin too short", Wire.record(1, [0, 1])),
        Wrong("begin with padding", Wire.record(1, [0, 1, 1, 0, 0, 0, 0, 0], padding: 8) + parameters),
        Wrong("GET_VALUES first", Wire.record(9, Wire.pairs([("FCGI_MAX_CONNS", "")]), id: 0)),
        Wrong(
            "GET_VALUES, often enough for the 64 bytes that libfcgi has for its answer",
            Wire.begin() + parameters
                + Wire.record(9, Wire.pairs([(String, String)](repeating: ("FCGI_MPXS_CONNS", ""), count: 100)), id: 0)),
        Wrong("unknown management record", Wire.begin() + Wire.record(99, [1], id: 0) + parameters),
        Wrong("abort before the parameters", Wire.begin() + Wire.record(2)),
        Wrong("abort instead of a body", Wire.begin() + parameters + Wire.record(2)),
        Wrong("input before the parameters' end", Wire.begin() + Wire.record(4, Wire.pairs([("A", "b")])) + Wire.record(5)),
        Wrong("a second request, multiplexed", Wire.begin() + Wire.begin(id: 2)),
        Wrong("parameters of another request", Wire.begin() + Wire.stream(4, Wire.pairs([("A", "b")]), id: 2)),
        Wrong("input of another request", Wire.begin() + parameters + Wire.stream(5, [1], id: 2)),
        Wrong("a second request before the answer", Wire.begin() + parameters + Wire.record(5) + Wire.begin()),
        Wrong("data instead of input", Wire.begin() + parameters + Wire.record(8)),
        Wrong("a name of 2 GiB", Wire.begin() + Wire.record(4, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]) + Wire.record(4)),
        Wrong("a value of 2 GiB", Wire.begin() + Wire.record(4, [1, 0xff, 0xff, 0xff, 0xf0, 65]) + Wire.record(4)),
        Wrong("a length that is cut", Wire.begin() + Wire.record(4, [0x80, 0]) + Wire.record(4) + Wire.record(5)),
        Wrong("a value that is cut", Wire.begin() + Wire.record(4, [1, 9, 65, 66]) + Wire.record(4) + Wire.record(5)),
        Wrong("no name", Wire.begin() + Wire.record(4, [0, 1, 65]) + Wire.record(4) + Wire.record(5)),
        Wrong("NUL in a name", Wire.begin() + Wire.stream(4, Wire.pairs([("A\0B", "c")])) + Wire.record(5)),
        Wrong("NUL in a value", Wire.begin() + Wire.stream(4, Wire.pairs([("A", "b\0c")])) + Wire.record(5)),
        Wrong("= in a name", Wire.begin() + Wire.stream(4, Wire.pairs([("A=B", "c")])) + Wire.record(5)),
        Wrong("70 KB of parameters", Wire.begin() + Wire.stream(4, Wire.pairs([("A", String(repeating: "x", count: 70_000))]))),
        Wrong("2000 parameters", Wire.begin() + Wire.stream(4, Wire.pairs([(String, String)](repeating: ("A", "b"), count: 2000)))),
        Wrong("more padding than the socket is worth", Wire.begin() + (0..<900).flatMap { _ in Wire.record(4, [65], padding: 255) }),
    ]

    @Test("ends its connection and nothing else", arguments: wrong)
    func ends(_ wrong: Wrong) throws {
        let stage = try Stage(Script(), threads: 1)
        defer { stage.stop() }
        let neighbour = try stage.client()
        #expect(try neighbour.get("/x").text == "none")
        let client = try stage.client()
        client.write(wrong.bytes)
        #expect(try client.seesEnd())
        #expect(try neighbour.get("/x").text == "none")
    }

    @Test("60 KB of parameters in records of any size are read")
    func longParameters() throws {
        let stage = try Stage(Script(), threads: 1)
        defer { stage.stop() }
        let client = try stage.client()
        let long = [("A", String(repeating: "x", count: 60_000)), ("PATH_INFO", "/cookies"), ("HTTP_COOKIE", "here")]
        for chunk in [65535, 8184, 8192, 1000, 300] {
            client.write(Wire.request(long, chunk: chunk, padding: chunk % 8))
            #expect(try client.answer().text == "here")
        }
    }

    @Test("a request that comes byte by byte is told from its body, whatever its size", arguments: [1, 2, 3, 7, 8, 9, 100, 5000])
    func pieces(_ piece: Int) throws {
        let stage = try Stage(Script(), threads: 2)
        defer { stage.stop() }
        let client = try stage.client()
        let body = [UInt8](repeating: 9, count: min(60_000, 400 * piece))
        for chunk in [65535, 300] {
            let bytes = Wire.request([("PATH_INFO", "/echo"), ("A", String(repeating: "x", count: 400))], body: body, chunk: chunk)
            for start in stride(from: 0, to: bytes.count, by: piece) { client.write(Array(bytes[start..<min(start + piece, bytes.count)])) }
            #expect(try client.answer().body == body)
        }
    }

    @Test("5000 random and mutated requests do not stop the loop")
    func fuzz() throws {
        var limits = Limits()
        limits.receiveTimeout = .milliseconds(200)
        let stage = try Stage(Script(wait: .milliseconds(1)), threads: 2, limits: limits)
        defer { stage.stop(within: .seconds(1)) }
        var random = SystemRandomNumberGenerator()
        let seeds =
            Self.wrong.map(\.bytes).filter { $0.count < 4000 } + [
                Wire.request([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")], body: Array("hello".utf8), padding: 3),
                Wire.request([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/park")], chunk: 9),
            ]
        for round in 0..<5000 {
            let client = try stage.client()
            client.write(round % 4 == 0 ? Self.noise(&random) : Self.mutated(seeds[round % seeds.count], &random))
            if round % 500 == 0 { #expect(try stage.client().get("/x").text == "none") }
        }
        #expect(try stage.client().get("/x").text == "none")
        #expect(eventually { stage.loop.statistics.connections == 0 && stage.loop.statistics.parked == 0 })
    }

    private static func noise(_ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        (0..<Int.random(in: 1...600, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Changes, cuts or repeats a few bytes, mostly near the headers.
    private static func mutated(_ seed: [UInt8], _ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        var bytes = seed
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let place = Int.random(in: 0..<min(bytes.count, 64), using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
            case 3: bytes.insert(contentsOf: bytes[place...].prefix(24), at: place)
            default: bytes.remove(at: place)
            }
        }
        return bytes
    }
}
