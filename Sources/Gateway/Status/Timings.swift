import Platform
import Spotify

/// What became of a request, as the label `outcome` of its duration says.
enum RequestOutcome: Int, CaseIterable, Sendable {
    /// Of what no cache answers: 2xx and 3xx, 4xx, 5xx.
    case ok, refused, failed
    /// From a tier; brought by a call that was waited for; not to be had in time.
    case hit, fetched, unanswered

    /// - Parameter source: nil for an answer that says of none.
    init(_ source: Counter.Source?, status: Int) {
        switch source {
        case .memory, .dragonfly, .sqlite: self = .hit
        case .stored, .collapsed: self = .fetched
        case .unanswered: self = .unanswered
        case nil: self = status < 400 ? .ok : status < 500 ? .refused : .failed
        }
    }
}

/// An attempt to begin a session.
enum SignIn {
    enum Way: Int, CaseIterable, Sendable { case login, pair }

    enum Ending: Int, CaseIterable, Sendable {
        case ok
        /// The name, the password or the code.
        case wrong
        /// Too many of those before.
        case throttled
        /// Of another site, or no form.
        case refused
        case failed

        init(status: Int) {
            switch status {
            case ..<300: self = .ok
            case 400, 401, 404: self = .wrong
            case 429: self = .throttled
            case ..<500: self = .refused
            default: self = .failed
            }
        }
    }
}

/// Histograms of how long things took, and what else came later than the counters: each worker has a slot for them behind those of
/// `Scoreboard`, in the same file and of the same number. Each word has its meaning for good.
final class Timings: Sendable {
    static let slotBytes = 4096
    private let memory: SharedMemory
    /// Where the first slot begins; nil where the file has none.
    private let start: Int?
    /// Where the own slot begins; nil for who only reads.
    private let own: Int?

    /// Words of a slot. A histogram is a count for each bound, one for what exceeds all, and the sum of nanoseconds.
    fileprivate enum Place {
        static let requestWidth = Bounds.requests.count + 2
        static let calls = Counter.Family.allCases.reduce(0) { $0 + $1.outcomes } * requestWidth
        static let callWidth = Bounds.calls.count + 2
        static let waits = calls + CallResult.Kind.allCases.count * callWidth
        static let waitWidth = Bounds.waits.count + 2
        static let signIns = waits + 2 * waitWidth
        /// Wall-clock milliseconds.
        static let lastSuccess = signIns + SignIn.Way.allCases.count * SignIn.Ending.allCases.count
        static let count = lastSuccess + 1
    }

    /// Nanoseconds.
    enum Bounds {
        static let requests: [UInt64] = [
            100_000, 1_000_000, 10_000_000, 50_000_000, 100_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000,
            10_000_000_000, 25_000_000_000,
        ]
        static let calls: [UInt64] = [
            100_000_000, 250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
        ]
        static let waits: [UInt64] = [
            500_000_000, 1_000_000_000, 2_000_000_000, 5_000_000_000, 10_000_000_000, 25_000_000_000, 60_000_000_000,
        ]
    }

    /// - Parameter slot: the own one; nil for who only reads.
    init(_ memory: SharedMemory, start: Int?, slot: Int?) {
        self.memory = memory
        self.start = start
        own = start.flatMap { start in slot.map { start + $0 * Self.slotBytes } }
    }

    // MARK: Counting

    /// Counts a request that was answered after so many nanoseconds. Every hit is: two additions, and no array is looked at.
    func add(request nanoseconds: UInt64, of family: Counter.Family, _ outcome: RequestOutcome) {
        guard let own else { return }
        let row = own + (family.firstOutcome + min(outcome.rawValue, family.outcomes - 1)) * Self.requestBytes
        let bound = nanoseconds <= Self.shortest ? 0 : Self.bound(of: nanoseconds, Bounds.requests)
        memory.add64(1, at: row + bound * 8)
        memory.add64(nanoseconds, at: row + Self.requestBytes - 8)
    }

    private static let shortest: UInt64 = 100_000
    private static let requestBytes = 13 * 8

    /// Counts a call to Spotify that took so long from its first byte to its end.
    func add(call kind: CallResult.Kind, _ duration: Duration) {
        add(duration, to: Place.calls + kind.rawValue * Place.callWidth, Bounds.calls)
    }

    /// Counts a caller who was parked for what has to be looked up.
    func add(wait nanoseconds: UInt64, hasLeft: Bool) {
        add(.nanoseconds(Int64(clamping: nanoseconds)), to: Place.waits + (hasLeft ? Place.waitWidth : 0), Bounds.waits)
    }

    func add(signIn way: SignIn.Way, _ ending: SignIn.Ending) {
        guard let own else { return }
        memory.add64(1, at: own + (Place.signIns + way.rawValue * SignIn.Ending.allCases.count + ending.rawValue) * 8)
    }

    /// Spotify has just answered.
    func noteSuccess(_ now: WallTime) {
        if let own { memory.store64(UInt64(max(0, now.milliseconds)), at: own + Place.lastSuccess * 8) }
    }

    private func add(_ duration: Duration, to place: Int, _ bounds: [UInt64]) {
        guard let own else { return }
        let nanoseconds = UInt64(max(0, duration.wholeNanoseconds))
        memory.add64(1, at: own + (place + Self.bound(of: nanoseconds, bounds)) * 8)
        memory.add64(nanoseconds, at: own + (place + bounds.count + 1) * 8)
    }

    /// The first that is not exceeded.
    private static func bound(of nanoseconds: UInt64, _ bounds: [UInt64]) -> Int {
        bounds.firstIndex { nanoseconds <= $0 } ?? bounds.count
    }

    // MARK: Reading

    /// - Parameter slots: how many were ever used.
    func sum(slots: Int) -> TimingSums {
        var sums = TimingSums()
        guard let start else { return sums }
        for slot in 0..<slots {
            for place in sums.words.indices {
                let word = memory.load64(at: start + slot * Self.slotBytes + place * 8)
                if place == Place.lastSuccess { sums.words[place] = max(sums.words[place], word) } else { sums.words[place] &+= word }
            }
        }
        return sums
    }
}

/// The timings of all workers.
struct TimingSums: Sendable, Equatable {
    fileprivate var words = [UInt64](repeating: 0, count: Timings.Place.count)

    struct Histogram: Sendable, Equatable {
        /// How many took no longer than each bound (seconds); the last is without bound.
        var counts: [(bound: Double?, count: UInt64)]
        var seconds: Double
        var count: UInt64 { counts.last?.count ?? 0 }

        static func == (one: Self, other: Self) -> Bool {
            one.seconds == other.seconds && one.counts.elementsEqual(other.counts) { $0.bound == $1.bound && $0.count == $1.count }
        }
    }

    func requests(_ family: Counter.Family, _ outcome: RequestOutcome) -> Histogram {
        histogram((family.firstOutcome + outcome.rawValue) * Timings.Place.requestWidth, Timings.Bounds.requests)
    }

    func calls(_ kind: CallResult.Kind) -> Histogram {
        histogram(Timings.Place.calls + kind.rawValue * Timings.Place.callWidth, Timings.Bounds.calls)
    }

    func waits(haveLeft: Bool) -> Histogram {
        histogram(Timings.Place.waits + (haveLeft ? Timings.Place.waitWidth : 0), Timings.Bounds.waits)
    }

    func signIns(_ way: SignIn.Way, _ ending: SignIn.Ending) -> UInt64 {
        words[Timings.Place.signIns + way.rawValue * SignIn.Ending.allCases.count + ending.rawValue]
    }

    /// Wall-clock milliseconds; nil: Spotify has never answered.
    var lastSuccess: Int64? {
        let word = words[Timings.Place.lastSuccess]
        return word == 0 ? nil : Int64(clamping: word)
    }

    private func histogram(_ place: Int, _ bounds: [UInt64]) -> Histogram {
        var sum: UInt64 = 0
        let counts = (bounds.map { Double($0) / 1e9 as Double? } + [nil]).enumerated().map { number, bound in
            sum &+= words[place + number]
            return (bound: bound, count: sum)
        }
        return Histogram(counts: counts, seconds: Double(words[place + bounds.count + 1]) / 1e9)
    }
}

extension Counter.Family {
    /// How many of `RequestOutcome` its answers may have, the first ones: no cache stands behind most, and `/cache` itself waits for nobody.
    var outcomes: Int {
        switch self {
        case .spotify, .catalog: 6
        case .cache: 4
        case .auth, .dragonfly, .own, .none: 3
        }
    }

    /// How many those of the families before it are together.
    fileprivate var firstOutcome: Int {
        switch self {
        case .spotify: 0
        case .catalog: 6
        case .auth: 12
        case .cache: 15
        case .dragonfly: 19
        case .own: 22
        case .none: 25
        }
    }
}
