import Caching
import CSystem

/// What was served, on its way into the database, where it only decides what is renewed before it falls due.
///
/// Records are looked up little by little, which takes no lock, and written seldom: after each write every reading connection, in every worker,
/// reads its pages anew. Confined to the lookup thread.
struct UsageLog {
    private var pending = PendingUses()
    private var found: [RecordNumber] = []
    /// CLOCK_MONOTONIC, nanoseconds.
    private var nextStep: UInt64 = 0
    private var nextWrite: UInt64 = 0
    /// Milliseconds.
    private let tolerance: Int64

    /// Of one transaction: a few milliseconds.
    static let writtenAtOnce = 500
    static let writePause: UInt64 = 5_000_000_000
    static let soughtAtOnce = 10
    static let pause: UInt64 = 250_000_000

    /// - Parameter tolerance: `RenewalPlan.tolerance`.
    init(tolerance: Int64) { self.tolerance = tolerance }

    mutating func add(_ uses: PendingUses) { pending.add(uses) }

    /// When `step` has something to do, CLOCK_MONOTONIC nanoseconds; nil: nothing is to be noted.
    var next: UInt64? {
        if isToBeWritten { return max(nextStep, nextWrite) }
        return pending.isEmpty ? nil : nextStep
    }

    private var isToBeWritten: Bool { found.count >= Self.writtenAtOnce || pending.isEmpty && !found.isEmpty }

    /// One small piece of it, when it is time. What cannot be written is forgotten.
    mutating func step(_ caches: Caches, now: UInt64) {
        guard let next, now >= next else { return }
        if isToBeWritten {
            try? caches.touch(found.sorted(), at: csys_wall_ms(), tolerance: tolerance)
            found = []
            nextWrite = now + Self.writePause
        } else {
            found += (try? caches.numbers(of: pending.take(Self.soughtAtOnce))) ?? []
        }
        nextStep = now + Self.pause
    }
}

/// Keys of records that were served and whose use is not noted in the database yet: each once, and no more than there is room for. What is
/// left out is forgotten: whoever asks for so much asks again.
struct PendingUses: Sendable {
    private var keys: Set<[UInt8]> = []

    static let most = 20_000

    var isEmpty: Bool { keys.isEmpty }
    var count: Int { keys.count }

    mutating func add(_ key: [UInt8]) { if keys.count < Self.most { keys.insert(key) } }
    mutating func add(_ others: PendingUses) {
        if keys.isEmpty { keys = others.keys } else { for key in others.keys { add(key) } }
    }

    /// Takes some of them away.
    mutating func take(_ most: Int) -> [[UInt8]] {
        var taken: [[UInt8]] = []
        while taken.count < most, let key = keys.popFirst() { taken.append(key) }
        return taken
    }
}
