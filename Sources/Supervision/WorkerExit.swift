/// How a worker ended.
enum WorkerExit: Sendable, Equatable {
    case status(Int32)
    case signal(Int32)
    /// It never ran: the error number of posix_spawn.
    case notStarted(Int32)
    /// Somebody else collected it.
    case unknown

    /// From the status word of waitpid(2).
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .status((waitStatus >> 8) & 0xff) : .signal(signal)
    }

    /// What `serve` exits with when this ends it: never 0, since a worker that ends before it serves has failed.
    var serveStatus: Int32 {
        switch self {
        case .status(0), .unknown: 1
        case .status(let status): status
        case .signal(let signal): 128 + signal
        case .notStarted: 71  // EX_OSERR in sysexits.h
        }
    }
}
