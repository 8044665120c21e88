import Glibc
import Logging
import Platform

/// Keeps the plan's workers running: starts, restarts, replaces and stops them. `Workforce` decides, this carries out.
public final class Supervisor {
    private let plan: WorkerPlan
    private let log: Logger
    private let beforeStop: @Sendable () -> Void
    private let timeouts: WorkerTimeouts
    private let givenSignals: (any SignalSource)?
    private let clock = SystemClock()
    private var workforce: Workforce
    private var processes: [Int: WorkerProcess] = [:]
    private var status: Int32?

    /// - Parameter beforeStop: called once when stopping begins, before any worker is told (for instance to remove the socket).
    public convenience init(plan: WorkerPlan, log: Logger, beforeStop: @escaping @Sendable () -> Void) {
        self.init(plan: plan, log: log, timeouts: WorkerTimeouts(), signals: nil, beforeStop: beforeStop)
    }

    init(
        plan: WorkerPlan, log: Logger, timeouts: WorkerTimeouts, signals: (any SignalSource)?,
        beforeStop: @escaping @Sendable () -> Void
    ) {
        self.plan = plan
        self.log = log
        self.timeouts = timeouts
        self.givenSignals = signals
        self.beforeStop = beforeStop
        workforce = Workforce(count: plan.count, timeouts: timeouts, now: clock.monotonic)
    }

    /// Runs until told to stop. SIGTERM, SIGINT and SIGQUIT stop, SIGHUP replaces the workers one by one.
    ///
    /// Call it on the main thread, with `SupervisionSignals.block()` called before any other thread was started: workers
    /// are told to stop when the thread that started them ends.
    /// - Returns: the exit status of `serve`: 0 after a stop, the worker's own when the first could not start.
    public func run() -> Int32 {
        keepStandardDescriptors()
        guard let signals = givenSignals ?? ownSignals() else { return 71 }  // EX_OSERR
        carryOut(workforce.advance(now: clock.monotonic))
        while true {
            if let status { return status }
            wait(for: signals)
            for signal in signals.take() { receive(signal) }
            for number in processes.keys.sorted() { look(at: number) }
            carryOut(workforce.advance(now: clock.monotonic))
        }
    }

    private func ownSignals() -> (any SignalSource)? {
        SupervisionSignals.block()
        guard let queue = SignalQueue() else {
            log.critical("cannot wait for signals: \(SpawnError(number: errno))")
            return nil
        }
        return queue
    }

    /// Were one of 0, 1 and 2 closed, a pipe would get its number and the worker would be given it as its own.
    private func keepStandardDescriptors() {
        for descriptor in CInt(0)...2 where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
    }

    private func tell(_ event: WorkforceEvent) {
        carryOut(workforce.handle(event, now: clock.monotonic))
    }
}

// MARK: - Events

extension Supervisor {
    /// Until a signal came, a worker spoke, or the workforce has something due.
    private func wait(for signals: any SignalSource) {
        let pipes = processes.values.compactMap(\.readiness)
        var watched = ([signals.descriptor] + pipes).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&watched, nfds_t(watched.count), pollTimeout())
    }

    /// For poll(2): -1 for ever.
    private func pollTimeout() -> CInt { workforce.deadline.map { ($0 - clock.monotonic).pollMilliseconds } ?? -1 }

    private func receive(_ signal: CInt) {
        switch signal {
        case SIGTERM, SIGINT, SIGQUIT:
            log.info("stopping", metadata: ["signal": "\(signal)"])
            tell(.stopAsked)
        case SIGHUP:
            log.info("replacing the workers one by one")
            tell(.replacementAsked)
        default:
            break  // SIGCHLD: every worker is looked at anyway, since two deaths may come as one signal.
        }
    }

    private func look(at number: Int) {
        if processes[number]?.readReadiness() == true {
            log.info("worker serves", metadata: about(number))
            tell(.ready(worker: number))
        }
        guard let exit = processes[number]?.collect() else { return }
        report(exit, of: number)
        if let pipe = processes.removeValue(forKey: number)?.readiness { close(pipe) }
        tell(.ended(worker: number, exit))
    }
}

// MARK: - Actions

extension Supervisor {
    private func carryOut(_ actions: [WorkforceAction]) {
        var failures: [WorkforceEvent] = []
        for action in actions {
            switch action {
            case .start(let number): failures += start(number)
            case .send(let order, let number): send(order, to: number)
            case .closeAddress: beforeStop()
            case .finish(let status): self.status = status
            case .note(let note): report(note)
            }
        }
        // Told only now: what they lead to comes after what was decided before.
        for failure in failures { tell(failure) }
    }

    private func start(_ number: Int) -> [WorkforceEvent] {
        switch WorkerProcess.start(plan) {
        case .success(let process):
            processes[number] = process
            log.debug("worker started", metadata: about(number))
            return []
        case .failure(let error):
            log.error("a worker cannot be started: \(error)", metadata: ["executable": "\(plan.executable)"])
            return [.ended(worker: number, .notStarted(error.number))]
        }
    }

    /// A process that is not collected yet keeps its number, so the signal cannot reach a stranger.
    private func send(_ order: WorkerOrder, to number: Int) {
        guard let process = processes[number]?.process else { return }
        switch order {
        case .stop: kill(process, SIGTERM)
        case .drain: kill(process, SIGQUIT)
        case .die: kill(process, SIGKILL)
        }
    }

    private func about(_ number: Int) -> Logger.Metadata {
        ["worker": .stringConvertible(processes[number]?.process ?? 0)]
    }

    private func report(_ exit: WorkerExit, of number: Int) {
        switch exit {
        case .status(0): log.info("worker ended", metadata: about(number))
        case .status(let status): log.error("worker ended with status \(status)", metadata: about(number))
        case .signal(let signal): log.error("worker ended by signal \(signal)", metadata: about(number))
        case .notStarted, .unknown: log.error("worker ended, nobody knows how", metadata: about(number))
        }
    }

    private func report(_ note: WorkforceAction.Note) {
        switch note {
        case .firstWorkerFailed: log.critical("a worker ended before it could serve, again and again or for good: stopping")
        case .startsAgain(_, let pause): log.info("a worker is started again", metadata: ["after": "\(pause)"])
        case .successorStartsAgain(_, let pause):
            log.warning(
                "a new worker ended before it could serve: the others stay, and it is started again", metadata: ["after": "\(pause)"])
        case .replacementFailed: log.error("a new worker ended before it could serve: the others stay as they are")
        case .replacementDone: log.info("all workers are replaced")
        case .outOfTime(let number): log.warning("worker takes too long and is killed", metadata: about(number))
        }
    }
}
