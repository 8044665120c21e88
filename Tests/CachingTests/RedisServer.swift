import Foundation
import Glibc

/// A real server of the protocol (Debian's redis-server), in a folder of its own, on a Unix socket.
final class RedisServer: @unchecked Sendable {
    // Used by one test, which stops and starts it in order.
    let folder = TemporaryFolder()
    private var process: Process?
    private let options: [String]

    static let path = "/usr/bin/redis-server"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    init(_ options: [String] = [], started: Bool = true) throws {
        self.options = options
        if started { try start() }
    }

    deinit { kill() }

    var socket: String { folder.file("redis.sock") }

    func start() throws {
        unlink(socket)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments =
            [
                "--port", "0", "--unixsocket", socket, "--dir", folder.path, "--save", "", "--appendonly", "no",
                "--logfile", folder.file("redis.log"),
            ] + options
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        try wait(for: "an answer of redis-server") { self.command("PING").map { !$0.isEmpty } ?? false }
    }

    func kill() {
        signal(SIGKILL)
        process?.waitUntilExit()
        process = nil
    }
    func freeze() { signal(SIGSTOP) }
    func thaw() { signal(SIGCONT) }
    private func signal(_ number: CInt) {
        guard let process, process.isRunning else { return }
        Glibc.kill(process.processIdentifier, number)
    }

    /// Through redis-cli, as somebody else would.
    @discardableResult
    func command(_ arguments: String...) -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/redis-cli")
        process.arguments = ["-s", socket] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return nil }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
        return process.terminationStatus == 0 && !text.hasPrefix("Could not connect") ? text : nil
    }
}

struct NeverCame: Error, CustomStringConvertible {
    var description: String
}

/// Looks every few milliseconds, for ten seconds at most.
func wait(for what: String, seconds: Double = 10, _ condition: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try !condition() {
        guard Date() < end else { throw NeverCame(description: "\(what) did not come within \(seconds) s") }
        usleep(3000)
    }
}
