import Foundation
import Glibc

/// A folder of its own, gone with the object.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("test-\(UUID().uuidString.prefix(8))").path
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func file(_ name: String) -> String { path + "/" + name }
}

/// A real server of the protocol (Debian's redis-server), in a folder of its own, on a Unix socket.
public final class RedisServer: @unchecked Sendable {
    // Used by one test, which stops and starts it in order.
    public let folder = TemporaryFolder()
    private var process: Process?
    private let options: [String]

    public struct NoAnswer: Error, CustomStringConvertible {
        public let description = "redis-server did not answer within 10 s"
    }

    public static let path = "/usr/bin/redis-server"
    public static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    public init(_ options: [String] = [], started: Bool = true) throws {
        self.options = options
        if started { try start() }
    }

    deinit { kill() }

    /// The Unix socket it listens on; there is no other.
    public var socket: String { folder.file("redis.sock") }

    public func start() throws {
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
        let end = Date(timeIntervalSinceNow: 10)
        while command("PING").map(\.isEmpty) ?? true {
            guard Date() < end else { throw NoAnswer() }
            usleep(3000)
        }
    }

    public func kill() {
        signal(SIGKILL)
        process?.waitUntilExit()
        process = nil
    }
    public func freeze() { signal(SIGSTOP) }
    public func thaw() { signal(SIGCONT) }
    private func signal(_ number: CInt) {
        guard let process, process.isRunning else { return }
        Glibc.kill(process.processIdentifier, number)
    }

    /// Through redis-cli, as somebody else would.
    @discardableResult
    public func command(_ arguments: String...) -> String? {
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
