import Platform

/// Whether DragonflyDB is asked at all. Opens at the first fault, is closed by the health monitor's probe alone; what it
/// decides, the log says once. A value: the store keeps it under a lock.
struct CircuitBreaker: Sendable {
    private(set) var isOpen = true
    /// nil before the first probe has ended.
    private(set) var fault: StoreFault?
    /// When it opened or closed last.
    private(set) var since: WallTime
    /// Grows with every closing: a connection of an older batch that fails is no news.
    private(set) var batch = 0
    private var said: (kind: Int, at: WallTime)?
    private var owesRecovery = false
    private var refusal: (reason: String, until: WallTime)?

    enum Message: Equatable {
        case fault(StoreFault)
        case recovered
        case refusesWrites(String)
        case takesWrites
    }

    /// The same kind of fault is said again after this time at the earliest.
    private static let repetition = Duration.seconds(60)
    /// After a refused copy no more are offered for this time.
    private static let refusalPause = Duration.seconds(1)

    init(now: WallTime) { since = now }

    /// A connection of `batch` failed, or a probe did.
    mutating func trip(_ fault: StoreFault, batch failed: Int, now: WallTime) -> Message? {
        guard isOpen || failed == batch else { return nil }
        let isNews = !isOpen || self.fault?.kind != fault.kind
        if !isOpen { since = now }
        isOpen = true
        self.fault = fault
        guard isNews else { return nil }
        if let said, said.kind == fault.kind, now - said.at < Self.repetition, now >= said.at { return nil }
        said = (fault.kind, now)
        owesRecovery = true
        return .fault(fault)
    }

    /// A probe succeeded and its connections are at hand.
    mutating func close(now: WallTime) -> Message? {
        guard isOpen else { return nil }
        let isFirst = fault == nil
        isOpen = false
        fault = nil
        since = now
        batch += 1
        defer { owesRecovery = false }
        return owesRecovery || isFirst ? .recovered : nil
    }

    mutating func refused(_ reason: String, now: WallTime) -> Message? {
        defer { refusal = (reason, now + Self.refusalPause) }
        return refusal == nil ? .refusesWrites(reason) : nil
    }

    mutating func accepted() -> Message? {
        guard refusal != nil else { return nil }
        refusal = nil
        return .takesWrites
    }

    /// nil: copies are taken.
    var writeRefusal: String? { refusal?.reason }

    func mayWrite(now: WallTime) -> Bool { refusal.map { now >= $0.until || now < $0.until - Self.refusalPause } ?? true }
}

/// What is wrong with DragonflyDB. The log says which it is, once, when it begins.
public enum StoreFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nobody listens, the name is unknown, or the connection broke.
    case unreachable(String)
    /// It accepts and does not answer within the deadline.
    case silent
    /// It is loading a snapshot.
    case loading
    /// It wants a password, or another than the one it was given.
    case password(String)
    /// What answers does not speak this protocol.
    case foreign(String)
    /// It answers with an error: MOVED, protected mode, too many clients.
    case refused(String)

    public var description: String {
        switch self {
        case .unreachable(let reason): "it cannot be reached: \(reason)"
        case .silent: "it accepts connections and does not answer within the deadline"
        case .loading: "it is loading a snapshot"
        case .password(let reason): "the password is missing or wrong: \(reason)"
        case .foreign(let reason): "something else than DragonflyDB answers there: \(reason)"
        case .refused(let reason): "it refuses: \(reason)"
        }
    }

    /// For telling news from repetition.
    var kind: Int {
        switch self {
        case .unreachable: 0
        case .silent: 1
        case .loading: 2
        case .password: 3
        case .foreign: 4
        case .refused: 5
        }
    }

    /// Which fault an error reply means. Only its first 120 bytes are kept.
    init(reply: String) {
        let text = String(reply.prefix(120))
        switch String(text.prefix(while: { $0 != " " })) {
        case "LOADING", "-LOADING": self = .loading
        case "NOAUTH", "WRONGPASS", "NOPERM": self = .password(text)
        case "ERR" where text.hasPrefix("ERR invalid password"): self = .password(text)
        default: self = .refused(text)
        }
    }

    /// Whether an error reply to a write means that the store serves reads and takes no copies: out of memory
    /// (`noeviction`), a replica, or a Redis that cannot save.
    static func refusesWrites(_ reply: String) -> Bool {
        ["OOM", "READONLY", "MISCONF", "NOREPLICAS"].contains(String(reply.prefix(while: { $0 != " " })))
    }
}
