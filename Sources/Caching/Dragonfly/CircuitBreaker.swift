/// Whether DragonflyDB is asked at all. Opens at the first fault, is closed by the attendant's probe alone; what it
/// decides, the log says once. A value: the store keeps it under a lock.
struct Breaker: Sendable {
    private(set) var isOpen = true
    /// nil before the first probe has ended.
    private(set) var fault: StoreFault?
    /// Wall-clock milliseconds of the last change.
    private(set) var since: Int64
    /// Grows with every closing: a connection of an older batch that fails is no news.
    private(set) var batch = 0
    private var said: (kind: Int, at: Int64)?
    private var owesRecovery = false
    private var refusal: (reason: String, until: Int64)?

    enum Message: Equatable {
        case fault(StoreFault)
        case recovered
        case refusesWrites(String)
        case takesWrites
    }

    /// The same kind of fault is said again after this time at the earliest.
    static let repetition: Int64 = 60_000
    /// After a refused copy no more are offered for this time.
    static let refusalPause: Int64 = 1_000

    init(now: Int64) { since = now }

    /// A connection of `batch` failed, or a probe did.
    mutating func trip(_ fault: StoreFault, batch failed: Int, now: Int64) -> Message? {
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
    mutating func close(now: Int64) -> Message? {
        guard isOpen else { return nil }
        let isFirst = fault == nil
        isOpen = false
        fault = nil
        since = now
        batch += 1
        defer { owesRecovery = false }
        return owesRecovery || isFirst ? .recovered : nil
    }

    mutating func refused(_ reason: String, now: Int64) -> Message? {
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

    func mayWrite(now: Int64) -> Bool { refusal.map { now >= $0.until || now < $0.until - Self.refusalPause } ?? true }
}
