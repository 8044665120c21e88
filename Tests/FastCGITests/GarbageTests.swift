import CLibFCGI
import CSystem
import Glibc
import Testing

@testable import FastCGI

/// What must end a connection, and nothing else. The loop has one thread, so a hang or a crash shows in the next answer.
@Suite("Garbage") struct GarbageTests {
    static let parameters = Wire.stream(FCGI_PARAMS, Wire.pairs([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")]))

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
        Wrong("another version", Wire.record(FCGI_BEGIN_REQUEST, [0, 1, 1, 0, 0, 0, 0, 0], version: 2)),
        Wrong("request id 0", Wire.begin(id: 0)),
        Wrong("begin too short", Wire.record(FCGI_BEGIN_REQUEST, [0, 1])),
        Wrong("a question whose lengths do not add up", Wire.management(FCGI_GET_VALUES, [14, 0, 70])),
        Wrong("a type that there is not", Wire.record(99)),
        Wrong("the end of a request", Wire.record(FCGI_END_REQUEST, [UInt8](repeating: 0, count: 8))),
        Wrong("output", Wire.begin() + Wire.record(FCGI_STDOUT, [1])),
        Wrong("the same request again before its end", Wire.begin() + Wire.begin()),
        Wrong(
            "input before the parameters' end", Wire.begin() + Wire.record(FCGI_PARAMS, Wire.pairs([("A", "b")])) + Wire.record(FCGI_STDIN)),
        Wrong("data instead of input", Wire.begin() + parameters + Wire.record(FCGI_DATA)),
        Wrong(
            "a name of 2 GiB",
            Wire.begin() + Wire.record(FCGI_PARAMS, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]) + Wire.record(FCGI_PARAMS)),
        Wrong("a value of 2 GiB", Wire.begin() + Wire.record(FCGI_PARAMS, [1, 0xff, 0xff, 0xff, 0xf0, 65]) + Wire.record(FCGI_PARAMS)),
        Wrong(
            "a length that is cut", Wire.begin() + Wire.record(FCGI_PARAMS, [0x80, 0]) + Wire.record(FCGI_PARAMS) + Wire.record(FCGI_STDIN)),
        Wrong(
            "a value that is cut",
            Wire.begin() + Wire.record(FCGI_PARAMS, [1, 9, 65, 66]) + Wire.record(FCGI_PARAMS) + Wire.record(FCGI_STDIN)),
        Wrong("no name", Wire.begin() + Wire.record(FCGI_PARAMS, [0, 1, 65]) + Wire.record(FCGI_PARAMS) + Wire.record(FCGI_STDIN)),
        Wrong("NUL in a name", Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([("A\0B", "c")])) + Wire.record(FCGI_STDIN)),
        Wrong("NUL in a value", Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([("A", "b\0c")])) + Wire.record(FCGI_STDIN)),
        Wrong("= in a name", Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([("A=B", "c")])) + Wire.record(FCGI_STDIN)),
        Wrong("70 KB of parameters", Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([("A", String(repeating: "x", count: 70_000))]))),
        Wrong(
            "2000 parameters", Wire.begin() + Wire.stream(FCGI_PARAMS, Wire.pairs([(String, String)](repeating: ("A", "b"), count: 2000)))),
        Wrong(
            "more padding than the socket is worth", Wire.begin() + (0..<900).flatMap { _ in Wire.record(FCGI_PARAMS, [65], padding: 255) }),
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
        for round in 0..<5000 {
            let client = try stage.client()
            client.write(Self.corpus(round, &random))
            if round % 500 == 0 { #expect(try stage.client().get("/x").text == "none") }
        }
        #expect(try stage.client().get("/x").text == "none")
        #expect(eventually { stage.loop.statistics.connections == 0 && stage.loop.statistics.parked == 0 })
    }

    /// What mutations begin with: right and wrong requests, and all that may interrupt one.
    private static let seeds: [[UInt8]] = {
        let post = Wire.stream(FCGI_PARAMS, Wire.pairs([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo"), ("CONTENT_LENGTH", "5")]))
        let question = Wire.question(["FCGI_MAX_CONNS", "FCGI_MPXS_CONNS"], padding: 2)
        let get = Wire.request([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/x")])
        return wrong.map(\.bytes).filter { $0.count < 4000 } + [
            Wire.request([("REQUEST_METHOD", "POST"), ("PATH_INFO", "/echo")], body: Array("hello".utf8), padding: 3),
            Wire.request([("REQUEST_METHOD", "GET"), ("PATH_INFO", "/park")], chunk: 9),
            question + get, get + get, Wire.begin() + post + question + Wire.stream(FCGI_STDIN, Array("hello".utf8), chunk: 2),
            Wire.begin() + Wire.begin(id: 2) + post + Wire.record(FCGI_ABORT_REQUEST) + get, Wire.begin(role: FCGI_FILTER) + post + get,
        ]
    }()

    /// Bytes of one connection: noise, or a seed with some changes.
    static func corpus(_ round: Int, _ random: inout SystemRandomNumberGenerator) -> [UInt8] {
        round % 4 == 0 ? noise(&random) : mutated(seeds[round % seeds.count], &random)
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
