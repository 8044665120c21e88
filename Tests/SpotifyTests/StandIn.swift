import Foundation
import Glibc

/// The stand-in Spotify (Tests/nginx/standin), started for one test on a free port and stopped with this object.
final class StandIn {
    let address: String
    private let port: UInt16
    private let process: pid_t
    /// The stand-in ends when this pipe is closed, and so when this process ends in any way.
    private let lifeline: CInt

    init(_ arguments: [String] = []) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "nginx/standin/spotify.py")
        let (input, output) = (try Self.pipe(), try Self.pipe())
        process = try Self.spawn(
            ["python3", script.path, "--port", "0", "--until-stdin-closes"] + arguments, input: input.reading, output: output.writing)
        lifeline = input.writing
        close(input.reading)
        close(output.writing)
        defer { close(output.reading) }
        var (line, byte) = ("", UInt8(0))
        while read(output.reading, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.unicodeScalars.append(Unicode.Scalar(byte)) }
        guard let found = line.firstMatch(of: /listening on (https?:\/\/127\.0\.0\.1:([0-9]+))/), let port = UInt16(found.2) else {
            throw StandInFailure(text: "python3 said: \(line)")
        }
        (address, self.port) = (String(found.1), port)
    }

    deinit {
        close(lifeline)
        waitpid(process, nil, 0)
    }

    /// A pair of sockets, for only those can be made close-on-exec at birth here: another test's stand-in must not hold our ends.
    private static func pipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw StandInFailure(text: "no pipe")
        }
        return (ends[0], ends[1])
    }

    /// Runs a program to its end, its output thrown away.
    static func run(_ arguments: [String]) throws {
        let nowhere = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(nowhere) }
        var status: CInt = 0
        waitpid(try spawn(arguments, input: nowhere, output: nowhere), &status, 0)
        guard status == 0 else { throw StandInFailure(text: "\(arguments[0]) failed") }
    }

    private static func spawn(_ arguments: [String], input: CInt, output: CInt) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var process: pid_t = 0
        guard posix_spawnp(&process, arguments[0], &actions, nil, &words, environ) == 0 else {
            throw StandInFailure(text: "no \(arguments[0])")
        }
        return process
    }

    /// Replaces the rules (failures.py says what they are).
    func fail(_ rules: String) throws { try control("POST", "fail", "[\(rules)]") }

    @discardableResult
    func control(_ method: String, _ name: String, _ body: String = "{}") throws -> [String: Any] {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var place = sockaddr_in()
        place.sin_family = sa_family_t(AF_INET)
        place.sin_port = port.bigEndian
        place.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &place) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        let head = "\(method) /control/\(name) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        guard connected == 0, send(descriptor, head + body, head.utf8.count + body.utf8.count, 0) > 0 else {
            throw StandInFailure(text: "no connection")
        }
        var received = Data()
        var piece = [UInt8](repeating: 0, count: 65_536)
        while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 { received.append(contentsOf: piece[..<count]) }
        guard let end = received.range(of: Data("\r\n\r\n".utf8)), received.starts(with: Data("HTTP/1.1 200".utf8)),
            let answer = try JSONSerialization.jsonObject(with: received[end.upperBound...]) as? [String: Any]
        else { throw StandInFailure(text: String(decoding: received, as: UTF8.self)) }
        return answer
    }

    /// The calls so far, oldest first.
    func calls(_ on: String = "api") throws -> [Call] {
        let calls = try control("GET", "calls?on=\(on)")["calls"] as? [[String: Any]] ?? []
        return calls.map { call in
            Call(
                target: (call["path"] as? String ?? "") + ((call["query"] as? String).map { $0.isEmpty ? "" : "?\($0)" } ?? ""),
                status: call["status"] as? Int, token: call["token"] as? String ?? "", connection: call["connection"] as? Int ?? 0,
                arrived: (call["monotonic_ns"] as? NSNumber)?.uint64Value ?? 0, userAgent: call["user_agent"] as? String ?? "")
        }
    }

    func figure(_ name: String) throws -> Int { try control("GET", "figures")[name] as? Int ?? -1 }

    /// One call as the stand-in saw it.
    struct Call: Equatable {
        var target: String
        var status: Int?
        var token: String
        var connection: Int
        /// CLOCK_MONOTONIC, nanoseconds.
        var arrived: UInt64
        var userAgent: String
    }
}

struct StandInFailure: Error { var text: String }
