import CSystem
import Glibc
import Platform

/// One running worker, seen from `serve`.
struct WorkerProcess {
    let process: pid_t
    /// Read end of its readiness pipe; nil once it has spoken or closed it.
    var readiness: CInt?

    /// Starts the plan's program with the listening socket as descriptor 0, the readiness pipe as 3, further listening sockets from 4 on, nothing else but the
    /// standard output and error, no signal blocked and none ignored.
    ///
    /// posix_spawn and not fork: the child of a fork in Swift inherits locks that no thread will ever release.
    static func start(_ plan: WorkerPlan) -> Result<WorkerProcess, SpawnError> {
        var ends: [CInt] = [-1, -1]
        guard csys_pipe(&ends) == 0 else { return .failure(SpawnError(number: errno)) }
        defer { close(ends[1]) }
        var process: pid_t = 0
        let result = spawn(plan, readiness: ends[1], process: &process)
        guard result == 0 else {
            close(ends[0])
            return .failure(SpawnError(number: result))
        }
        return .success(WorkerProcess(process: process, readiness: ends[0]))
    }

    /// True once the worker has announced itself; closes the pipe when there is nothing more to learn from it.
    mutating func readReadiness() -> Bool {
        guard let descriptor = readiness else { return false }
        var byte: UInt8 = 0
        let got = read(descriptor, &byte, 1)
        if got < 0, errno == EAGAIN || errno == EINTR { return false }
        close(descriptor)
        readiness = nil
        return got == 1
    }

    /// nil while it runs. Asks for this process alone, so that nobody else's children are collected.
    func collect() -> WorkerExit? {
        var status: CInt = 0
        while true {
            let result = waitpid(process, &status, WNOHANG)
            if result == process { return WorkerExit(waitStatus: status) }
            if result == 0 { return nil }
            if errno != EINTR { return .unknown }
        }
    }

    private static func spawn(_ plan: WorkerPlan, readiness: CInt, process: inout pid_t) -> CInt {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        // dup2 of a descriptor to itself clears its close-on-exec flag here (posix_spawn_file_actions_adddup2(3)).
        // Further ones by copies whose numbers are no worker's: what is put in its place must not be where another is taken from.
        let copies = plan.furtherDescriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 64) }
        defer { for copy in copies where copy >= 0 { close(copy) } }
        guard copies.allSatisfy({ $0 >= 0 }) else { return errno }
        posix_spawn_file_actions_adddup2(&actions, plan.listeningDescriptor, 0)
        posix_spawn_file_actions_adddup2(&actions, readiness, Supervised.descriptor)
        let first = Supervised.descriptor + 1
        for (number, copy) in copies.enumerated() { posix_spawn_file_actions_adddup2(&actions, copy, first + CInt(number)) }
        _ = csys_spawn_close_from(&actions, first + CInt(copies.count))
        resetSignals(&attributes)
        return withCStrings([plan.executable] + plan.arguments) { arguments in
            withCStrings(environment(plan)) { environment in
                posix_spawn(&process, plan.executable, &actions, &attributes, arguments, environment)
            }
        }
    }

    private static func resetSignals(_ attributes: inout posix_spawnattr_t) {
        var none = SupervisionSignals.makeSet([])
        var all = sigset_t()
        sigfillset(&all)
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    }

    private static func environment(_ plan: WorkerPlan) -> [String] {
        let own = plan.environment.map { $0.map { "\($0.key)=\($0.value)" } } ?? inheritedEnvironment()
        return own.filter { !$0.hasPrefix("\(Supervised.variable)=") }
            + ["\(Supervised.variable)=\(Supervised.text(supervisor: getpid(), listening: plan.furtherDescriptors.count))"]
    }

    private static func inheritedEnvironment() -> [String] {
        var entries: [String] = []
        guard var cursor = csys_environment() else { return entries }
        while let entry = cursor.pointee {
            entries.append(String(cString: entry))
            cursor += 1
        }
        return entries
    }

    /// The strings as C's NULL-terminated list, valid while `body` runs.
    private static func withCStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}

/// Why a worker could not be started: an error number of posix_spawn(3) or pipe(2).
struct SpawnError: Error, CustomStringConvertible {
    let number: CInt
    var description: String { String(cString: strerror(number)) }
}

/// What `serve` starts, and how many of it.
public struct WorkerPlan: Sendable {
    /// Absolute path of the program. It is executed by this path each time, so a replaced file is what the next worker runs.
    public var executable: String
    /// The arguments after the program's own name.
    public var arguments: [String]
    /// The workers' environment; nil: this process's own.
    public var environment: [String: String]?
    /// Worker processes, at least one.
    public var count: Int
    /// The listening socket. It becomes descriptor 0 (FCGI_LISTENSOCK_FILENO) in each worker.
    public var listeningDescriptor: CInt
    /// More of them. A worker finds them by `FurtherSockets`.
    public var furtherDescriptors: [CInt]

    public init(
        executable: String, arguments: [String], environment: [String: String]? = nil, count: Int,
        listeningDescriptor: CInt, furtherDescriptors: [CInt] = []
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.count = max(1, count)
        self.listeningDescriptor = listeningDescriptor
        self.furtherDescriptors = furtherDescriptors
    }
}

/// The path this program was started by.
public enum OwnExecutable {
    /// An absolute path that led to this program when it was asked for; ask at start, before the file can be replaced.
    ///
    /// Symbolic links are kept: an upgrade that turns a link to the new version is followed. When the program's first argument
    /// does not lead to the running program, the kernel's own answer (`/proc/self/exe`, proc(5)) is taken.
    public static var path: String { path(firstArgument: CommandLine.arguments.first) }

    static func path(firstArgument: String?) -> String {
        for candidate in candidates(firstArgument) where isSameFile(candidate, "/proc/self/exe") { return candidate }
        return readLink("/proc/self/exe") ?? firstArgument ?? ""
    }

    private static func candidates(_ name: String?) -> [String] {
        guard let name, !name.isEmpty else { return [] }
        if name.hasPrefix("/") { return [name] }
        if name.contains("/") {
            let relative = name.hasPrefix("./") ? name.dropFirst(2) : name[...]
            return workingDirectory().map { ["\($0)/\(relative)"] } ?? []
        }
        guard let search = getenv("PATH") else { return [] }
        return String(cString: search).split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }
    }

    private static func workingDirectory() -> String? {
        guard let text = getcwd(nil, 0) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    private static func isSameFile(_ one: String, _ other: String) -> Bool {
        guard let file = FileIdentity(path: one) else { return false }
        return file == FileIdentity(path: other)
    }

    private static func readLink(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink(path, &buffer, buffer.count)
        guard length > 0 else { return nil }
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
