import CSystem
import Foundation
import Glibc
import Logging
import Platform
import Synchronization

@testable import Supervision

/// A supervisor on a thread of its own, with shell scripts as workers that write what they did to files in one folder.
final class Bench: Sendable {
    /// Announces itself, then waits for orders. Its lines hold its process number.
    static let serve = """
        trap 'echo $$ >> stopped; exit 0' TERM INT
        trap 'echo $$ >> drained; exit 0' QUIT
        echo $$ >> serving; echo 1 >&3
        while :; do sleep 0.02; done
        """

    let folder: String
    let socketInode: UInt64
    private let socket: CInt
    private let signals: SignalPipe
    private let supervision: Mutex<Int32?> = Mutex(nil)
    private let plan: WorkerPlan
    private let timeouts: WorkerTimeouts

    init(count: Int, worker: String, executable: String? = nil, timeouts: WorkerTimeouts = WorkerTimeouts()) throws {
        folder = try Self.makeFolder()
        socket = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var status = stat()
        fstat(socket, &status)
        socketInode = UInt64(status.st_ino)
        signals = SignalPipe()
        self.timeouts = timeouts
        plan = WorkerPlan(
            executable: executable ?? "\(folder)/worker", arguments: ["worker"], count: count, listeningDescriptor: socket)
        try install(worker)
    }

    deinit {
        close(socket)
        signals.closeEnds()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// Puts a new program in the place of the old one, as an upgrade does.
    func install(_ script: String) throws {
        let text = "#!/bin/sh\ncd '\(folder)'\n\(script)\n"
        try text.write(toFile: "\(folder)/worker.new", atomically: false, encoding: .utf8)
        chmod("\(folder)/worker.new", 0o755)
        rename("\(folder)/worker.new", "\(folder)/worker")
    }

    func open() {
        _ = try? WorkerThread.start(named: "supervisor") { [self] in
            var log = Logger(label: "test")
            log.logLevel = .critical
            let supervisor = Supervisor(plan: plan, log: log, timeouts: timeouts, signals: signals) { [self] in
                try? "x\n".write(toFile: "\(folder)/closed", atomically: false, encoding: .utf8)
            }
            let status = supervisor.run()
            supervision.withLock { $0 = status }
        }
    }

    func send(_ signal: CInt) { signals.send(signal) }

    func lines(_ file: String) -> [String] {
        guard let text = try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map(String.init)
    }

    /// Looks again until it is so; false after 20 s. A child's death does not reach a test's process as a signal that can be
    /// relied on (other threads do not block it), so each look also wakes the supervisor.
    func waits(_ condition: () -> Bool) -> Bool {
        for _ in 0..<2000 {
            if condition() { return true }
            signals.send(SIGCHLD)
            usleep(10_000)
        }
        return false
    }

    func status() -> Int32? {
        _ = waits { supervision.withLock { $0 } != nil }
        return supervision.withLock { $0 }
    }

    private static func makeFolder() throws -> String {
        var name = Array("/tmp/supervision-XXXXXX".utf8CString)
        guard mkdtemp(&name) != nil else { throw SpawnError(number: errno) }
        return String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Signals as bytes in a pipe.
struct SignalPipe: SignalSource {
    private let ends: (read: CInt, write: CInt)
    var descriptor: CInt { ends.read }

    init() {
        var both: [CInt] = [-1, -1]
        _ = csys_pipe(&both)
        ends = (both[0], both[1])
    }

    func send(_ signal: CInt) {
        var byte = UInt8(signal)
        _ = write(ends.write, &byte, 1)
    }

    func take() -> [CInt] {
        var signals: [CInt] = []
        var byte: UInt8 = 0
        while read(ends.read, &byte, 1) == 1 { signals.append(CInt(byte)) }
        return signals
    }

    func closeEnds() {
        close(ends.read)
        close(ends.write)
    }
}
