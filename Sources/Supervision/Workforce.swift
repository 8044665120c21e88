import Platform

/// Which workers ought to run: events in, actions out. No process, signal or clock is touched here.
///
/// There are as many slots as workers are wanted. A slot has one occupant, and during a replacement a successor beside it.
/// The first worker of all is started alone: a setting that is wrong is then said once, not once per worker. Other failures are given some time
/// to pass.
struct Workforce: Sendable {
    private struct Worker {
        let slot: Int
        let generation: Int
        let startedAt: MonotonicTime
        var serves = false
        /// When patience with what it does now ends; nil while nothing is expected of it.
        var killAt: MonotonicTime?
    }

    private struct Slot {
        var occupant: Int?
        var successor: Int?
        /// When an empty slot is to be filled.
        var dueAt: MonotonicTime?
        /// How long the latest occupants lived, oldest first.
        var lives: [Duration] = []
    }

    /// A replacement that is under way.
    private struct Replacement {
        /// When it was asked for, or the last successor took over: what keeps the next one from serving has so long to pass.
        var since: MonotonicTime
        /// How long the successors lived that could not serve since then.
        var lives: [Duration] = []
        /// When the next one may be started; nil: at once.
        var dueAt: MonotonicTime?
    }

    private enum Phase: Equatable {
        /// Nobody has served yet.
        case opening
        case running
        case stopping(status: Int32, giveUpAt: MonotonicTime)
        case over
    }

    private let timeouts: WorkerTimeouts
    private let beganAt: MonotonicTime
    private var phase = Phase.opening
    private var slots: [Slot]
    private var workers: [Int: Worker] = [:]
    private var lastNumber = 0
    /// Grows with each replacement asked for. Occupants of an older one are replaced while there is a `replacement`.
    private var generation = 0
    private var replacement: Replacement?

    init(count: Int, timeouts: WorkerTimeouts = WorkerTimeouts(), now: MonotonicTime) {
        self.timeouts = timeouts
        beganAt = now
        slots = Array(repeating: Slot(), count: max(1, count))
        slots[0].dueAt = now
    }

    /// The next instant at which `advance` has something to do without an event.
    var deadline: MonotonicTime? {
        var instants = workers.values.compactMap(\.killAt)
        switch phase {
        case .opening, .running: instants += slots.compactMap(\.dueAt) + [replacement?.dueAt].compactMap(\.self)
        case .stopping(_, let giveUpAt): instants.append(giveUpAt)
        case .over: return nil
        }
        return instants.min()
    }

    /// Takes in one event; `advance` is part of it.
    mutating func handle(_ event: WorkforceEvent, now: MonotonicTime) -> [WorkforceAction] {
        let actions =
            switch event {
            case .ready(let number): noteReady(number, now)
            case .ended(let number, let exit): noteEnd(number, exit, now)
            case .stopAsked: stop(status: 0, now)
            case .replacementAsked: beginReplacement(now)
            }
        return actions + advance(now: now)
    }

    /// What is due at `now` by the clock alone.
    mutating func advance(now: MonotonicTime) -> [WorkforceAction] {
        var actions = killOverdue(now)
        switch phase {
        case .opening, .running:
            actions += fillSlots(now)
            actions += replaceNext(now)
        case .stopping(let status, let giveUpAt):
            guard workers.isEmpty || now >= giveUpAt else { break }
            phase = .over
            actions.append(.finish(status: status))
        case .over: break
        }
        return actions
    }

    // MARK: What events mean

    private mutating func noteReady(_ number: Int, _ now: MonotonicTime) -> [WorkforceAction] {
        guard let worker = workers[number], !worker.serves, !isEnding else { return [] }
        workers[number]?.serves = true
        workers[number]?.killAt = nil
        if phase == .opening {
            phase = .running
            for slot in slots.indices.dropFirst() { slots[slot].dueAt = now }
        }
        guard slots[worker.slot].successor == number else { return [] }
        return handOver(slot: worker.slot, to: number, now)
    }

    /// The successor serves: the occupant may leave, in its own time.
    private mutating func handOver(slot: Int, to successor: Int, _ now: MonotonicTime) -> [WorkforceAction] {
        let leaving = slots[slot].occupant
        slots[slot].occupant = successor
        slots[slot].successor = nil
        if replacement != nil { replacement = Replacement(since: now) }
        guard let leaving else { return [] }
        workers[leaving]?.killAt = now + timeouts.drain
        return [.send(.drain, worker: leaving)]
    }

    private mutating func noteEnd(_ number: Int, _ exit: WorkerExit, _ now: MonotonicTime) -> [WorkforceAction] {
        guard let worker = workers.removeValue(forKey: number), !isEnding else { return [] }
        if slots[worker.slot].successor == number { return noteFailedSuccessor(worker, exit, now) }
        guard slots[worker.slot].occupant == number else { return [] }
        slots[worker.slot].occupant = nil
        // Where anybody serves, or did, nothing that one worker cannot do ends the others.
        guard phase != .opening || exit.mayPass && now - beganAt < timeouts.opening else {
            return [.note(.firstWorkerFailed(worker: number))] + stop(status: exit.serveStatus, now)
        }
        return refill(slot: worker.slot, after: now - worker.startedAt, now)
    }

    /// What kept it may pass, as for a first worker: another is tried for a while. The occupant serves on, whatever comes of it.
    private mutating func noteFailedSuccessor(_ worker: Worker, _ exit: WorkerExit, _ now: MonotonicTime) -> [WorkforceAction] {
        slots[worker.slot].successor = nil
        // A replacement asked for since then is another program's: it is tried at once.
        guard worker.generation == generation, var attempt = replacement else { return [.note(.replacementFailed(slot: worker.slot))] }
        guard exit.mayPass, now - attempt.since < timeouts.opening else {
            replacement = nil
            return [.note(.replacementFailed(slot: worker.slot))]
        }
        attempt.lives.append(now - worker.startedAt)
        let pause = RestartPause.length(after: attempt.lives)
        attempt.dueAt = now + pause
        replacement = attempt
        return [.note(.successorStartsAgain(slot: worker.slot, after: pause))]
    }

    private mutating func refill(slot: Int, after life: Duration, _ now: MonotonicTime) -> [WorkforceAction] {
        slots[slot].lives = Array((slots[slot].lives + [life]).suffix(RestartPause.memory))
        if let heir = slots[slot].successor {
            slots[slot].occupant = heir
            slots[slot].successor = nil
            return []
        }
        let pause = RestartPause.length(after: slots[slot].lives)
        slots[slot].dueAt = now + pause
        return [.note(.startsAgain(slot: slot, after: pause))]
    }

    /// A slot that pauses after young deaths is tried again at once: the replaced program may be its cure.
    private mutating func beginReplacement(_ now: MonotonicTime) -> [WorkforceAction] {
        guard !isEnding else { return [] }
        generation += 1
        replacement = Replacement(since: now)
        for slot in slots.indices {
            slots[slot].lives = []
            if slots[slot].dueAt != nil { slots[slot].dueAt = now }
        }
        return []
    }

    private mutating func stop(status: Int32, _ now: MonotonicTime) -> [WorkforceAction] {
        guard !isEnding else { return [] }
        let killAt = now + timeouts.stop
        phase = .stopping(status: status, giveUpAt: killAt + timeouts.kill)
        for number in workers.keys { workers[number]?.killAt = killAt }
        return [.closeAddress] + workers.keys.sorted().map { .send(.stop, worker: $0) }
    }

    private var isEnding: Bool { phase != .opening && phase != .running }

    // MARK: What the clock brings

    private mutating func killOverdue(_ now: MonotonicTime) -> [WorkforceAction] {
        let overdue = workers.filter { $0.value.killAt.map { $0 <= now } ?? false }.keys.sorted()
        for number in overdue { workers[number]?.killAt = nil }
        return overdue.flatMap { [.note(.outOfTime(worker: $0)), .send(.die, worker: $0)] }
    }

    private mutating func fillSlots(_ now: MonotonicTime) -> [WorkforceAction] {
        var actions: [WorkforceAction] = []
        for slot in slots.indices {
            guard let dueAt = slots[slot].dueAt, dueAt <= now else { continue }
            slots[slot].dueAt = nil
            let number = enlist(slot: slot, now)
            slots[slot].occupant = number
            actions.append(.start(worker: number))
        }
        return actions
    }

    /// One at a time: the next occupant of an older generation gets a successor when the one before has taken over.
    private mutating func replaceNext(_ now: MonotonicTime) -> [WorkforceAction] {
        guard let attempt = replacement, attempt.dueAt.map({ $0 <= now }) ?? true, slots.allSatisfy({ $0.successor == nil }) else {
            return []
        }
        replacement?.dueAt = nil
        let outdated = slots.indices.filter { slot in
            slots[slot].occupant.flatMap { workers[$0] }.map { $0.generation < generation } ?? false
        }
        guard !outdated.isEmpty else {
            // An empty slot will be filled with the new program anyway.
            replacement = nil
            return [.note(.replacementDone)]
        }
        guard let slot = outdated.first(where: { slots[$0].occupant.flatMap { workers[$0]?.serves } ?? false }) else { return [] }
        let number = enlist(slot: slot, now)
        slots[slot].successor = number
        return [.start(worker: number)]
    }

    private mutating func enlist(slot: Int, _ now: MonotonicTime) -> Int {
        lastNumber += 1
        workers[lastNumber] = Worker(
            slot: slot, generation: generation, startedAt: now, killAt: now + timeouts.start)
        return lastNumber
    }
}

/// What happened, for `Workforce` to decide about. A worker is named by the number that its `start` action gave.
enum WorkforceEvent: Sendable, Equatable {
    case ready(worker: Int)
    case ended(worker: Int, WorkerExit)
    case stopAsked
    case replacementAsked
}

/// What is to be done, in order.
enum WorkforceAction: Sendable, Equatable {
    /// Start a process and call it `worker`; when that fails, tell it as `ended(.notStarted)`.
    case start(worker: Int)
    case send(WorkerOrder, worker: Int)
    /// The listening address goes away; new callers should not find it.
    case closeAddress
    /// Nothing is left to do: exit with this status.
    case finish(status: Int32)
    case note(Note)

    enum Note: Sendable, Equatable {
        case firstWorkerFailed(worker: Int)
        case startsAgain(slot: Int, after: Duration)
        /// A new worker could not serve; another is tried, and the one that it is to replace serves on.
        case successorStartsAgain(slot: Int, after: Duration)
        case replacementFailed(slot: Int)
        case replacementDone
        case outOfTime(worker: Int)
    }
}

/// What a worker is told, each by a signal.
enum WorkerOrder: Sendable, Equatable {
    /// Finish what is in flight, end parked callers, exit (SIGTERM).
    case stop
    /// Leave without a failed request: a successor has taken over (SIGQUIT).
    case drain
    /// SIGKILL.
    case die
}

/// How long to wait before a worker is started again.
///
/// One that lived for a while is replaced at once. One that died young is replaced after a pause that doubles with each
/// young death in a row, so that a program that cannot live does not keep a core busy.
enum RestartPause {
    /// A shorter life than this is a young death.
    private static let youth: Duration = .seconds(30)
    private static let first: Duration = .milliseconds(250)
    private static let longest: Duration = .seconds(60)
    /// Lives worth remembering: enough doublings to reach the longest pause.
    static let memory = 10

    static func length(after lives: [Duration]) -> Duration {
        let young = lives.reversed().prefix { $0 < youth }.count
        guard young > 0 else { return .zero }
        return min(first * (1 << min(young - 1, memory)), longest)
    }
}

/// How a worker ended.
enum WorkerExit: Sendable, Equatable {
    case status(Int32), signal(Int32)
    /// It never ran: the error number of posix_spawn.
    case notStarted(Int32)
    /// Somebody else collected it.
    case unknown

    /// From the status word of waitpid(2).
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        self = signal == 0 ? .status((waitStatus >> 8) & 0xff) : .signal(signal)
    }

    /// Whether another try may end better. Not where the worker says that it is set up wrongly (78, EX_CONFIG in sysexits.h), or there is no
    /// such program.
    var mayPass: Bool {
        switch self {
        case .status(78), .notStarted: false
        default: true
        }
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

/// How long a worker may take, before it is killed, to do what it was told.
struct WorkerTimeouts: Sendable {
    /// To announce that it serves. A large database is checked in that time.
    var start: Duration = .seconds(120)
    /// For a first worker that serves, from the start of `serve`, and for a new one, from the reload: what keeps one from it may pass (a file that
    /// another process holds, a disk that comes late).
    var opening: Duration = .seconds(30)
    /// To answer what its kept connections and parked callers still want: the event loop ends its drain after 75 s.
    var drain: Duration = .seconds(90)
    /// To stop. `serve` itself has promised to end within 10 s.
    var stop: Duration = .milliseconds(9500)
    /// For the kernel to end a killed worker; after that `serve` ends without it.
    var kill: Duration = .milliseconds(400)
}
