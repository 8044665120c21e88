import FastCGI
import Gateway
import Glibc
import JSON
import Platform

/// What a running `serve` tells the commands beside it: `serve.json` in its data folder, mode 0640, without secrets. It is there as long as
/// `serve` runs; what a crash left of it is known by the process in it.
struct RunningProgram: Equatable {
    static let fileName = "serve.json"

    var process: pid_t
    /// When the process was started, clock ticks after boot (field 22 of /proc/PID/stat, proc(5)): another process of the same number has
    /// another.
    var startedAt: UInt64
    /// The variables that were set for it; where it listens is always among them.
    var settings: [String: String]
    /// Secrets that were set for it.
    var withheld: Set<SettingName>
    /// systemd, spawn-fcgi or another has made the socket.
    var hasInheritedSocket: Bool

    /// This process.
    init?(environment: [String: String], listen: String, hasInheritedSocket: Bool) {
        guard let startedAt = Self.startTime(of: getpid()) else { return nil }
        process = getpid()
        self.startedAt = startedAt
        (settings, withheld) = Settings.open(environment)
        settings[SettingName.listen.rawValue] = listen
        self.hasInheritedSocket = hasInheritedSocket
    }

    /// What the folder tells; nil where no program runs on it, as far as this user may know.
    /// - Throws: errno where there is a file that this user may not read.
    init?(of folder: String) throws(SystemError) {
        let path = "\(folder)/\(Self.fileName)"
        guard let bytes = Files.read(path, atMost: 1 << 20) else {
            if access(path, R_OK) != 0, errno == EACCES || errno == EPERM { throw SystemError("open", code: EACCES) }
            return nil
        }
        guard let value = try? JSONValue(reading: bytes), let told = Self(value), told.isRunning else { return nil }
        self = told
    }

    /// The user whose processes they are; nil where /proc hides them.
    var user: uid_t? {
        var status = stat()
        return stat("/proc/\(process)", &status) == 0 ? status.st_uid : nil
    }

    private var isRunning: Bool {
        guard kill(process, 0) == 0 || errno == EPERM else { return false }
        // Of others' processes /proc may show nothing (hidepid=2).
        return Self.startTime(of: process).map { $0 == startedAt } ?? true
    }

    private static func startTime(of process: pid_t) -> UInt64? {
        guard let bytes = Files.read("/proc/\(process)/stat", atMost: 4096) else { return nil }
        // The name, in brackets, may hold anything; the third field follows it.
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        return fields.count > 19 ? UInt64(fields[19]) : nil
    }
}

// MARK: In the file

extension RunningProgram {
    /// Leaves it in the folder, in one step.
    func leave(in folder: String) throws(SystemError) {
        let path = "\(folder)/\(Self.fileName)"
        let draft = "\(path).new"
        unlink(draft)
        let descriptor = open(draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw SystemError("open") }
        let bytes = JSONWriter.bytes(of: json, JSONWriter.Style(escapes: .short, sortsNames: true, isPretty: true)) + [UInt8(ascii: "\n")]
        let count = write(descriptor, bytes, bytes.count)
        let code = count < 0 ? errno : ENOSPC
        close(descriptor)
        guard count == bytes.count else {
            unlink(draft)
            throw SystemError("write", code: code)
        }
        guard rename(draft, path) == 0 else { throw SystemError("rename") }
    }

    /// Takes it away, unless another `serve` has left its own there.
    func leaveNothing(in folder: String) {
        guard let left = try? RunningProgram(of: folder), left.process == process else { return }
        unlink("\(folder)/\(Self.fileName)")
    }

    private var json: JSONValue {
        let members: [JSONMember] = settings.map { JSONMember($0.key, .string($0.value)) }
        let names: [JSONValue] = withheld.map(\.rawValue).sorted().map { .string($0) }
        let all: [JSONMember] = [
            JSONMember("process", .integer(process)), JSONMember("startedAt", .integer(startedAt)),
            JSONMember("inheritedSocket", .bool(hasInheritedSocket)), JSONMember("settings", .object(members)),
            JSONMember("withheld", .array(names)),
        ]
        return .object(all)
    }

    private init?(_ value: JSONValue) {
        guard let process = value["process"]?.integer, let startedAt = value["startedAt"]?.integer, process > 0, startedAt >= 0,
            let members = value["settings"]?.members
        else { return nil }
        self.process = pid_t(truncatingIfNeeded: process)
        self.startedAt = UInt64(startedAt)
        settings = Dictionary(members.compactMap { member in member.value.text.map { (member.name, $0) } }) { $1 }
        withheld = Set((value["withheld"]?.items ?? []).compactMap { name in name.text.flatMap { SettingName(rawValue: $0) } })
        hasInheritedSocket = value["inheritedSocket"]?.bool ?? false
    }
}
