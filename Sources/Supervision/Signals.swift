import CSystem
import Glibc
import Platform

/// Takes a worker's signals on a thread of its own and turns them into orders.
///
/// SIGTERM and SIGINT mean `stop`, SIGQUIT means `drain`, SIGHUP is for `serve` and is dropped. A worker whose `serve` ends
/// is told to stop by the kernel. A worker that does not manage to end in time is ended by SIGALRM, so that none is left
/// behind half alive, with or without a `serve`.
public final class SignalWaiter: Sendable {
    public enum Order: Sendable, Equatable {
        case stop
        case drain
    }

    /// What `EventLoop.stop(within:)` may take, so that the process ends before patience does.
    public static let stopLimit: Duration = .seconds(8)

    private static let waited: [CInt] = [SIGTERM, SIGINT, SIGQUIT, SIGHUP]

    /// Blocks the signals in this thread and in those that it starts. Make it before any other thread exists.
    public init() {
        SupervisionSignals.block()
        tieToSupervisor()
    }

    /// Starts the thread that waits, and returns.
    ///
    /// Should no thread be left, the signals get their default action back: then they end the process at once.
    /// - Parameter received: called on the waiting thread, once for each order that came.
    public func wait(_ received: @escaping @Sendable (Order) -> Void) {
        guard (try? WorkerThread.start(named: "signals", { Self.takeOrders(received) })) == nil else { return }
        var set = SupervisionSignals.makeSet(Self.waited)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    static func order(for signal: CInt) -> Order? {
        switch signal {
        case SIGTERM, SIGINT: .stop
        case SIGQUIT: .drain
        default: nil
        }
    }

    /// Seconds until the process ends itself, a little after `serve` would have.
    static func lastResort(after order: Order) -> CUnsignedInt {
        let timeouts = WorkerTimeouts()
        return switch order {
        case .stop: CUnsignedInt(timeouts.stop.wholeSeconds + 1)
        case .drain: CUnsignedInt(timeouts.drain.wholeSeconds + 5)
        }
    }

    private static func takeOrders(_ received: (Order) -> Void) {
        var set = SupervisionSignals.makeSet(waited)
        var stops = false
        while true {
            var signal: CInt = 0
            guard sigwait(&set, &signal) == 0, let order = order(for: signal) else { continue }
            // A drain after a stop, or a second stop, would only lengthen the time until the last resort.
            if !stops { alarm(lastResort(after: order)) }
            stops = stops || order == .stop
            received(order)
        }
    }

    /// The signal comes when the supervisor's thread ends; a supervisor that ended before we asked is seen by its number.
    private func tieToSupervisor() {
        guard let supervised = Supervised.fromEnvironment() else { return }
        _ = fcntl(supervised.descriptor, F_SETFD, FD_CLOEXEC)
        _ = csys_signal_on_parent_death(SIGTERM)
        if getppid() != supervised.supervisor { kill(getpid(), SIGTERM) }
    }
}

/// Where the supervisor's loop finds the signals that came.
protocol SignalSource {
    /// Readable while signals wait.
    var descriptor: CInt { get }
    /// All that wait, without blocking.
    func take() -> [CInt]
}

/// The process's blocked signals as a descriptor (signalfd(2)).
struct SignalQueue: SignalSource {
    let descriptor: CInt

    /// nil, with errno set, when no descriptor is left.
    init?(_ signals: [CInt] = SupervisionSignals.taken) {
        var set = SupervisionSignals.makeSet(signals)
        let descriptor = signalfd(-1, &set, CInt(SFD_CLOEXEC | SFD_NONBLOCK))
        guard descriptor >= 0 else { return nil }
        self.descriptor = descriptor
    }

    func take() -> [CInt] {
        var signals: [CInt] = []
        while true {
            let signal = csys_read_signal(descriptor)
            guard signal > 0 else { return signals }
            signals.append(signal)
        }
    }
}

/// The signals that `serve` and its workers take in one place, instead of having handlers interrupt them.
public enum SupervisionSignals {
    static let taken: [CInt] = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGCHLD]

    /// Blocks them in the calling thread, and so in every thread that it starts from then on: call it first thing, before
    /// anything else has started a thread.
    ///
    /// A broken pipe becomes an error number instead of a death. SIGCHLD gets its default action back, since a parent that
    /// ignored it would have the workers vanish uncollected (waitpid(2), notes).
    public static func block() {
        csys_ignore_signal(SIGPIPE)
        csys_default_signal(SIGCHLD)
        var set = makeSet(taken)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    static func makeSet(_ signals: [CInt]) -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in signals { sigaddset(&set, signal) }
        return set
    }
}

/// How a worker tells `serve` that it serves.
public enum WorkerReadiness {
    /// Call exactly once, when requests are being answered: the descriptor's number is free for others afterwards.
    /// Does nothing in a worker that no `serve` started.
    public static func announce() {
        guard let supervised = Supervised.fromEnvironment(), getppid() == supervised.supervisor else { return }
        var byte: UInt8 = 1
        while write(supervised.descriptor, &byte, 1) < 0, errno == EINTR {}
        close(supervised.descriptor)
    }
}

/// The listening sockets that a worker was given beside descriptor 0.
public enum FurtherSockets {
    /// None in a worker that no `serve` started.
    public static var descriptors: [CInt] {
        guard let supervised = Supervised.fromEnvironment(), getppid() == supervised.supervisor else { return [] }
        return (0..<supervised.listening).map { supervised.descriptor + 1 + CInt($0) }
    }
}

/// What a worker knows of the `serve` that started it: passed in one environment variable, `<descriptor> <process>`, and behind it how many
/// listening sockets follow on that descriptor, where there are any.
struct Supervised: Equatable {
    static let variable = "SWINGMUSIC_FCGI_SUPERVISOR"
    /// The write end of the readiness pipe has this number in every worker.
    static let descriptor: CInt = 3

    let descriptor: CInt
    let supervisor: pid_t
    let listening: Int

    init?(_ text: String) {
        let parts = text.split(separator: " ")
        guard (2...3).contains(parts.count), let descriptor = CInt(parts[0]), let supervisor = pid_t(parts[1]),
            descriptor > 2, supervisor > 0, let listening = parts.count == 3 ? Int(parts[2]) : 0, (0...255).contains(listening)
        else { return nil }
        self.descriptor = descriptor
        self.supervisor = supervisor
        self.listening = listening
    }

    static func fromEnvironment() -> Supervised? {
        getenv(variable).flatMap { Supervised(String(cString: $0)) }
    }

    static func text(supervisor: pid_t, listening: Int = 0) -> String {
        "\(descriptor) \(supervisor)" + (listening > 0 ? " \(listening)" : "")
    }
}
