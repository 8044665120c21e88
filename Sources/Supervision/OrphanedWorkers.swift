import Glibc
import Logging
import Platform

/// Workers whose `serve` was killed: they are told to stop by the kernel and end within seconds, but hold the socket until then, and one that
/// is frozen holds it for ever.
///
/// Known by their environment, which `serve` gave them (proc(5), `/proc/PID/environ`), and by a parent that is another one by now.
public struct OrphanedWorkers {
    private let log: Logger
    private let clock = SystemClock()
    /// The settings that two programs must have in common to be each other's.
    private let names: [String]
    private let environment: [String: String]

    /// What a worker may take to stop, and a little.
    private static let patience = WorkerTimeouts().stop + .seconds(2)
    private static let look: UInt32 = 50_000
    /// How often one looks in vain, for two seconds: one that ends has lost its environment before it closes its files (exit_mm and exit_files
    /// in the kernel's do_exit), which takes its time on a busy machine, and one that has just ended is not found at all.
    private static let looksInVain = 40

    /// - Parameters:
    ///   - names: variables that say which installation a worker is of: its address and its data folder.
    ///   - environment: this process's.
    public init(sharing names: [String], in environment: [String: String], log: Logger) {
        self.names = names
        self.environment = environment
        self.log = log
    }

    /// Tries until it succeeds, as long as it fails for the sake of such workers: they are waited for, and ended where they cannot end
    /// themselves.
    /// - Parameter isTheirFault: whether a failure may be theirs.
    public func outwait<Result, Failure: Error>(
        _ attempt: () throws(Failure) -> Result, isTheirFault: (Failure) -> Bool
    ) throws(Failure) -> Result {
        let end = clock.monotonic + Self.patience
        var hasSaid = false
        var inVain = 0
        while true {
            do throws(Failure) {
                return try attempt()
            } catch {
                guard isTheirFault(error) else { throw error }
                let orphans = found
                inVain = orphans.isEmpty ? inVain + 1 : 0
                guard inVain < Self.looksInVain, clock.monotonic < end + Self.patience else { throw error }
                if !hasSaid, !orphans.isEmpty {
                    log.warning(
                        "waiting for the workers of a serve that was killed", metadata: ["workers": "\(orphans.map(\.process))"])
                    hasSaid = true
                }
                finish(orphans, isLate: clock.monotonic >= end)
                usleep(Self.look)
            }
        }
    }

    private func finish(_ orphans: [Orphan], isLate: Bool) {
        for orphan in orphans where orphan.isFrozen || isLate {
            log.warning(
                "a worker of a serve that was killed does not end and is killed", metadata: ["worker": .stringConvertible(orphan.process)])
            kill(orphan.process, SIGKILL)
        }
    }

    // MARK: Looking

    private struct Orphan {
        let process: pid_t
        /// Stopped by a signal or a debugger: it will not hear of its end.
        let isFrozen: Bool
    }

    private var found: [Orphan] {
        guard let folder = opendir("/proc") else { return [] }
        defer { closedir(folder) }
        var orphans: [Orphan] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let process = pid_t(name), process != getpid(), let orphan = orphan(process) { orphans.append(orphan) }
        }
        return orphans
    }

    private func orphan(_ process: pid_t) -> Orphan? {
        guard let theirs = Self.environment(of: process), let text = theirs[Supervised.variable], let supervised = Supervised(text),
            names.allSatisfy({ theirs[$0] == environment[$0] }), isNumberedAlike(process), let (state, parent) = Self.state(of: process),
            parent != supervised.supervisor, state != "Z"
        else { return nil }
        return Orphan(process: process, isFrozen: state == "T" || state == "t")
    }

    /// Whether it is no container's: there its parent, who may be alive, has another number than here (pid_namespaces(7)).
    private func isNumberedAlike(_ process: pid_t) -> Bool {
        FileIdentity(path: "/proc/\(process)/ns/pid") == FileIdentity(path: "/proc/self/ns/pid")
    }

    /// nil for another user's process, which is none of ours.
    private static func environment(of process: pid_t) -> [String: String]? {
        guard let bytes = Files.read("/proc/\(process)/environ", atMost: 1 << 20), !bytes.isEmpty else { return nil }
        var environment: [String: String] = [:]
        for entry in bytes.split(separator: 0) {
            let parts = entry.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            environment[String(decoding: parts[0], as: UTF8.self)] = String(decoding: parts[1], as: UTF8.self)
        }
        return environment
    }

    /// The letter of its state and its parent: what follows its name, which may have anything in it but ends with the last parenthesis.
    private static func state(of process: pid_t) -> (state: String, parent: pid_t)? {
        guard let bytes = Files.read("/proc/\(process)/stat", atMost: 4096) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 2, let parent = pid_t(fields[1]) else { return nil }
        return (String(fields[0]), parent)
    }
}
