import Platform
import RESP

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
